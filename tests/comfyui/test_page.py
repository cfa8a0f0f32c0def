"""Every workflow in ComfyUI's real page, in both ways it draws nodes; and the pack's widgets there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from .conftest import ROOT, RUN_SECONDS

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))
NOTES = {"MarkdownNote", "Note"}
# What ComfyUI's own page says without us: it looks for what is not there, and for hosts of its makers.
NOT_OURS = (
    "404",
    "ERR_NAME_NOT_RESOLVED",
    "ERR_INTERNET_DISCONNECTED",
    "graph accessed before initialization",
)


@pytest.fixture(scope="module", params=["classic", "nodes2"])
def page(request, browser, server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(f"{error}"))
    page.on("console", lambda line: line.type == "error" and page.errors.append(line.text))
    page.goto(server.url, wait_until="domcontentloaded")
    page.wait_for_function("window.app?.graph && window.app?.extensionManager", timeout=90_000)
    page.wait_for_timeout(2000)
    set_it = "async on => window.app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
    page.evaluate(set_it, request.param == "nodes2")
    page.keyboard.press("Escape")
    yield page
    context.close()


def open_workflow(page, path):
    page.errors.clear()
    page.evaluate(
        """async ([text, name]) => {
            await window.app.handleFile(new File([text], name, {type: 'application/json'}));
        }""",
        [path.read_text(encoding="utf-8"), path.name],
    )
    page.wait_for_timeout(1500)
    page.evaluate("window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(500)


def run(page):
    """Press Run; return what came of it, and what was executed."""
    page.evaluate(
        """() => {
            window.ended = null;
            window.shown = [];
            for (const kind of ['execution_success', 'execution_error', 'execution_interrupted'])
                window.app.api.addEventListener(kind, event => { window.ended = [kind, event.detail]; });
            window.app.api.addEventListener('executed', event => { window.shown.push(event.detail); });
        }"""
    )
    page.get_by_role("button", name="Run", exact=False).first.click()
    page.wait_for_function("window.ended", timeout=RUN_SECONDS * 1000)
    page.wait_for_timeout(800)
    return page.evaluate("window.ended"), page.evaluate("window.shown")


def test_the_packs_code_is_loaded_without_an_error(page):
    names = page.evaluate("window.app.extensions.map(extension => extension.name)")
    assert {"Chrominance.Palette", "Chrominance.Hints", "Chrominance.Compare"} <= set(names)
    assert not [error for error in page.errors if not any(known in error for known in NOT_OURS)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_workflow_opens_and_runs(page, path):
    open_workflow(page, path)
    nodes = page.evaluate(
        """window.app.graph._nodes.map(node => ({
            type: node.type, errors: Boolean(node.has_errors), known: Boolean(node.constructor?.nodeData),
        }))"""
    )
    for node in nodes:
        assert node["known"] or node["type"] in NOTES, node
        assert not node["errors"], node
    assert page.locator(".p-dialog:visible, [data-testid='error-overlay']:visible").count() == 0
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    for node in prompt.values():
        node.pop("_meta")
    expected = json.loads((ROOT / "tests" / "api_workflows" / path.name).read_text(encoding="utf-8"))
    assert prompt == expected
    (end, detail), shown = run(page)
    assert end == "execution_success", detail
    assert not page.evaluate("window.app.graph._nodes.some(node => node.has_errors)")
    # The workflow of a picture tells of pictures, the one of a clip of its clip.
    told = [one for output in shown for part in (output.get("output") or {}).values() for one in part]
    assert any(isinstance(one, dict) and "filename" in one for one in told)
    assert not [error for error in page.errors if not any(known in error for known in NOT_OURS)]


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_every_blueprint_opens_as_a_node(page, path):
    open_workflow(page, path)
    sockets = page.evaluate(
        """window.app.graph._nodes.map(node => ({
            inside: node.subgraph?._nodes.map(one => [one.type, Boolean(one.constructor?.nodeData)]),
            inputs: node.inputs.filter(input => !input.widget).map(input => input.name),
            outputs: node.outputs.map(output => output.name),
            widgets: node.widgets.map(widget => widget.name),
        }))"""
    )
    (node,) = sockets
    graph = json.loads(path.read_text(encoding="utf-8"))["definitions"]["subgraphs"][0]
    assert all(known for _, known in node["inside"])
    assert node["inputs"] == [one["name"] for one in graph["inputs"]]
    assert node["outputs"] == [one["name"] for one in graph["outputs"]]
    assert len(node["widgets"]) >= 5


def test_hints_are_clicked_on_the_picture(page):
    open_workflow(page, ROOT / "workflows" / "colorize_with_hints.json")
    page.evaluate(
        """() => {
            const node = window.app.graph._nodes.find(one => one.type === 'ChrominanceHintColorize');
            node.widgets.find(widget => widget.name === 'hints').value = '';
            node.widgets.find(widget => widget.name === 'hints').callback('');
        }"""
    )
    stage = page.locator(".chrominance-hints .stage").first
    page.wait_for_function("document.querySelector('.chrominance-hints img').naturalWidth > 0")
    box = stage.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    value = page.evaluate(
        """window.app.graph._nodes.find(one => one.type === 'ChrominanceHintColorize')
            .widgets.find(widget => widget.name === 'hints').value"""
    )
    x, y, color = value.split(",")
    # The picture of the tests is 96 × 80, and the middle of the stage is its own.
    assert abs(int(x) - 48) <= 1 and abs(int(y) - 40) <= 1 and color == "#c04030"
    assert page.locator(".chrominance-hints .point").count() == 1
    (end, detail), _ = run(page)
    assert end == "execution_success", detail
    page.wait_for_function("document.querySelector('.chrominance-hints img').src.includes('type=temp')")


def test_the_comparison_follows_the_pointer(page):
    open_workflow(page, ROOT / "workflows" / "colorize_a_photo.json")
    (end, _), _ = run(page)
    assert end == "execution_success"
    page.wait_for_function("document.querySelector('.chrominance-compare img.after').naturalWidth > 0")
    box = page.locator(".chrominance-compare .stage").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    at = page.locator(".chrominance-compare .stage").first.get_attribute("aria-valuenow")
    assert abs(int(at) - 50) <= 3


def test_the_help_page_has_its_picture(page, server):
    text = (ROOT / "web" / "docs" / "ChrominanceAutoColorize.md").read_text(encoding="utf-8")
    assert "![" in text
    name = text.split("](", 1)[1].split(")", 1)[0]
    answer = page.request.get(f"{server.url}/extensions/chrominance/docs/{name}")
    assert answer.ok and answer.headers["content-type"].startswith("image/")
