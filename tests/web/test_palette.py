from __future__ import annotations

import json

import pytest

COLORS = [
    {"hex": "#203040", "weight": 3, "locked": False},
    {"hex": "#c08040", "weight": 1, "locked": True},
]
RUN = {
    "chrominance_palette": [json.dumps({"colors": COLORS})],
    "chrominance_given": [json.dumps({"colors": COLORS})],
    "chrominance_warning": [""],
}


@pytest.fixture
def palette(page):
    page.evaluate("makeNode('ChrominancePaletteEdit', {widgets: [{name: 'colors', value: ''}]})")
    page.evaluate("output => node.onExecuted(output)", RUN)
    return page


def listed(page):
    return page.evaluate("widget('colors').value")


def test_a_node_that_makes_a_palette_shows_it(page):
    page.evaluate("makeNode('ChrominancePaletteExtract')")
    assert "Run the workflow" in page.locator(".chrominance-note").inner_text()
    page.evaluate("output => node.onExecuted(output)", RUN)
    swatches = page.locator(".chrominance-swatch")
    assert swatches.count() == 2
    assert "75.0 %" in swatches.first.get_attribute("title")
    assert page.locator("input").count() == 0


def test_a_picked_colour_and_a_lock_are_written_as_one_would_type_them(palette):
    palette.locator(".chrominance-swatch input").first.fill("#ff0000")
    assert listed(palette) == "#ff0000"
    palette.locator(".chrominance-swatch button").nth(1).click()
    assert listed(palette) == "#ff0000, -~"
    palette.locator(".chrominance-swatch").first.click(button="right")
    assert listed(palette) == "-, -~"


def test_what_is_no_colour_is_told_and_left_alone(palette):
    palette.evaluate("widget('colors').value = '#12, red'; widget('colors').callback()")
    assert palette.locator(".chrominance-note.warning").is_visible()
    assert listed(palette) == "#12, red"


def test_the_warning_of_a_run_is_shown(palette):
    palette.evaluate("output => node.onExecuted(output)", RUN | {"chrominance_warning": ["two are alike"]})
    assert palette.locator(".chrominance-note.warning").inner_text() == "two are alike"
