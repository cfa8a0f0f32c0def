from __future__ import annotations

import json

import pytest

from chrominance.pipelines.hint_files import parse_hints

WIDE, HIGH = 200, 100
RUN = {
    "chrominance_picture": [{"filename": "grey.png"}],
    "chrominance_result": [{"filename": "blue.png"}],
    "chrominance_size": [2 * WIDE, 2 * HIGH],
}


@pytest.fixture
def hints(page):
    """A Hint Colorize behind a Load Image."""
    page.evaluate(
        """makeNode('ChrominanceHintColorize', {
            widgets: [{name: 'hints', value: ''}, {name: 'color', value: '#c04030'}],
            inputs: [{name: 'image'}],
            before: {widgets: [{name: 'image', value: 'photos/one.png'}]},
        }); node.onConfigure()"""
    )
    page.wait_for_function("document.querySelector('.stage img').naturalWidth > 0")
    return page


def text(page):
    return page.evaluate("widget('hints').value")


def give(page, name):
    """Choose another picture in the Load Image before the node."""
    page.evaluate(
        """name => {
            node.getInputNode = () => ({widgets: [{name: 'image', value: name}]});
            node.onConnectionsChange();
        }""",
        name,
    )


def place(page, x, y, size=(WIDE, HIGH)):
    """Return where on the screen the middle of a pixel is."""
    box = page.locator(".stage").bounding_box()
    scale = min(box["width"] / size[0], box["height"] / size[1])
    left = box["x"] + (box["width"] - size[0] * scale) / 2
    top = box["y"] + (box["height"] - size[1] * scale) / 2
    return left + (x + 0.5) * scale, top + (y + 0.5) * scale


def test_the_picture_is_that_of_the_load_image_before(hints):
    source = hints.locator(".stage img").get_attribute("src")
    assert "filename=one.png" in source
    assert "subfolder=photos" in source
    assert "type=input" in source


def test_a_click_writes_a_line(hints):
    hints.mouse.click(*place(hints, 120, 80))
    assert text(hints) == "120,80,#c04030"
    hints.mouse.click(*place(hints, 0, 0))
    hints.mouse.click(*place(hints, WIDE - 1, HIGH - 1))
    points = parse_hints(text(hints))
    assert [(p.x, p.y) for p in points] == [(120, 80), (0, 0), (WIDE - 1, HIGH - 1)]
    assert hints.locator(".point").count() == 3


def test_beside_the_picture_nothing_is_written(hints):
    box = hints.locator(".stage").bounding_box()
    hints.mouse.click(box["x"] + box["width"] / 2, box["y"] + 2)
    assert text(hints) == ""


def test_a_point_is_dragged(hints):
    hints.mouse.click(*place(hints, 50, 50))
    hints.mouse.move(*place(hints, 50, 50))
    hints.mouse.down()
    hints.mouse.move(*place(hints, 90, 20), steps=4)
    hints.mouse.up()
    assert text(hints) == "90,20,#c04030"
    # A drag beyond the edge ends at it.
    hints.mouse.move(*place(hints, 90, 20))
    hints.mouse.down()
    hints.mouse.move(*place(hints, 500, 20), steps=4)
    hints.mouse.up()
    assert text(hints) == f"{WIDE - 1},20,#c04030"


def test_the_chosen_point_takes_another_colour_and_radius(hints):
    hints.mouse.click(*place(hints, 50, 50))
    hints.locator("input.color").fill("#3060a0")
    assert text(hints) == "50,50,#3060a0"
    hints.locator("input.radius").fill("5")
    hints.locator("input.radius").press("Tab")
    assert text(hints) == "50,50,#3060a0,5"


def test_points_go_by_right_click_by_key_and_all_at_once(hints):
    for x in (20, 60, 100, 140):
        hints.mouse.click(*place(hints, x, 50))
    hints.mouse.click(*place(hints, 60, 50), button="right")
    assert [p.x for p in parse_hints(text(hints))] == [20, 100, 140]
    hints.mouse.click(*place(hints, 100, 50))
    hints.keyboard.press("Delete")
    assert [p.x for p in parse_hints(text(hints))] == [20, 140]
    hints.locator("button.clear").click()
    assert text(hints) == ""


def test_what_was_typed_is_kept(hints):
    hints.evaluate("widget('hints').value = '# the coat\\n10,20,#c43,4 # sleeve'; widget('hints').callback()")
    hints.mouse.click(*place(hints, 50, 50))
    assert text(hints) == "# the coat\n10,20,#cc4433,4 # sleeve\n50,50,#c04030"
    assert len(parse_hints(text(hints))) == 2


def test_text_that_is_no_hints_is_left_alone(hints):
    hints.evaluate("widget('hints').value = 'ten,20,#c43'; widget('hints').callback()")
    assert hints.locator(".note.warning").is_visible()
    hints.mouse.click(*place(hints, 50, 50))
    assert text(hints) == "ten,20,#c43"


def test_points_outside_the_picture_are_told(hints):
    hints.evaluate("widget('hints').value = '900,20,#c04030'; widget('hints').callback()")
    assert "1 outside this picture of 200 × 100" in hints.locator(".note.warning").inner_text()


def test_after_a_run_its_result_is_shown_under_the_points(hints):
    hints.evaluate("output => node.onExecuted(output)", RUN)
    hints.wait_for_function("document.querySelector('.stage img').src.includes('blue.png')")
    hints.wait_for_function("document.querySelector('.stage img').complete")
    # The preview may be smaller than the picture, whose pixels the points are in.
    hints.mouse.click(*place(hints, 300, 150, (2 * WIDE, 2 * HIGH)))
    assert text(hints) == "300,150,#c04030"
    hints.locator("button.toggle").click()
    assert "grey.png" in hints.locator(".stage img").get_attribute("src")


def test_another_picture_before_it_takes_its_place(hints):
    hints.evaluate("output => node.onExecuted(output)", RUN)
    give(hints, "red.png")
    hints.wait_for_function("document.querySelector('.stage img').src.includes('red.png')")
    assert not hints.locator("button.toggle").is_visible()


def test_a_picture_that_is_gone_says_what_to_do(hints):
    give(hints, "gone.png")
    hints.wait_for_function("!document.querySelector('.stage img').getAttribute('src')")
    assert "Connect Load Image" in hints.locator(".empty").inner_text()


@pytest.mark.parametrize(
    "given",
    [
        "120,80,#c04030",
        "x,y,color\n1,2,#abc\n3.5;4;#AABBCC;7",
        "1 2 #abcdef 0.5 # remark",
        '{"points": [{"x": 3, "y": 4, "color": "#112233", "radius": 2}]}',
        '[{"x": 3, "y": 4, "color": "#123"}]',
        '{"unit": "fraction", "points": [{"x": 1, "y": 0.5, "color": "#112233"}]}',
        "",
    ],
)
def test_the_page_reads_hints_as_the_node_does(page, given):
    read = page.evaluate("([text, size]) => hintText.readHints(text, size)", [given, [WIDE, HIGH]])
    expected = [(p.pixel(HIGH, WIDE), p.radius) for p in parse_hints(given)]
    assert [((int(p["y"]), int(p["x"])), p["radius"]) for p in read["points"]] == expected
    written = page.evaluate("hints => hintText.writeHints(hints)", read)
    assert [p.pixel(HIGH, WIDE) for p in parse_hints(written)] == [place for place, _ in expected]
    assert [p.ab for p in parse_hints(written)] == [p.ab for p in parse_hints(given)]


@pytest.mark.parametrize(
    "given",
    [
        "1,2",
        "1,2,red",
        "1,2,#12345",
        '{"points": 3}',
        '{"points": [{"x": "a", "y": 1, "color": "#123"}]}',
        "{",
    ],
)
def test_neither_reads_what_is_no_hint(page, given):
    assert page.evaluate("text => hintText.readHints(text, [1, 1])", given) is None
    with pytest.raises(ValueError):
        parse_hints(given)


def test_it_is_not_saved_with_the_workflow(hints):
    assert hints.evaluate("widget('hints view').serialize") is False
    json.dumps(hints.evaluate("node.properties"))
