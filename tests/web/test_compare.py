from __future__ import annotations

import pytest

PAIR = {"chrominance_before": [{"filename": "red.png"}], "chrominance_after": [{"filename": "blue.png"}]}


@pytest.fixture
def compare(page):
    page.evaluate("makeNode('ChrominanceCompare')")
    return page


def color_at(page, part):
    """Return the colour that is seen in the middle of the stage's height, at a part of its width."""
    import io

    from PIL import Image

    box = page.locator(".stage").bounding_box()
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        return shot.convert("RGB").getpixel(
            (round(box["x"] + part * box["width"]), round(box["y"] + box["height"] / 2))
        )


def test_it_says_what_to_do_before_the_first_run(compare):
    assert compare.locator(".empty").is_visible()
    assert not compare.locator(".line").is_visible()
    assert not compare.locator(".row").is_visible()


def test_the_line_follows_the_pointer(compare):
    compare.evaluate("output => node.onExecuted(output)", PAIR)
    compare.wait_for_function("document.querySelector('img.after').naturalWidth > 0")
    box = compare.locator(".stage").bounding_box()
    for part in (0.25, 0.75):
        compare.mouse.move(box["x"] + part * box["width"], box["y"] + box["height"] / 2)
        assert color_at(compare, part - 0.1) == (255, 0, 0)
        assert color_at(compare, part + 0.1) == (0, 0, 255)


def test_the_keyboard_moves_it_too(compare):
    compare.evaluate("output => node.onExecuted(output)", PAIR)
    compare.locator(".stage").focus()
    compare.keyboard.press("Home")
    assert compare.locator(".stage").get_attribute("aria-valuenow") == "0"
    compare.keyboard.press("ArrowRight")
    assert compare.locator(".stage").get_attribute("aria-valuenow") == "2"


def test_batches_have_pages(compare):
    both = {
        "chrominance_before": [{"filename": "red.png"}, {"filename": "grey.png"}],
        "chrominance_after": [{"filename": "blue.png"}, {"filename": "red.png"}],
    }
    compare.evaluate("output => node.onExecuted(output)", both)
    assert compare.locator(".row span").inner_text() == "1 / 2"
    compare.locator(".row button").last.click()
    assert compare.locator(".row span").inner_text() == "2 / 2"
    assert "filename=red.png" in compare.locator("img.after").get_attribute("src")
    compare.locator(".row button").last.click()
    assert compare.locator(".row span").inner_text() == "1 / 2"


def test_an_output_without_pictures_changes_nothing(compare):
    compare.evaluate("node.onExecuted({}); node.onExecuted(undefined)")
    assert compare.locator(".empty").is_visible()


def test_it_is_not_saved_with_the_workflow(compare):
    assert compare.evaluate("widget('compare view').serialize") is False


def test_other_nodes_have_none(page):
    page.evaluate("makeNode('ChrominanceLabSplit')")
    assert page.evaluate("node.widgets.length") == 0
