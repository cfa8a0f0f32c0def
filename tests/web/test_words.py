from __future__ import annotations

import re

import pytest

from .conftest import WEB, words

SAID = {
    text
    for path in WEB.glob("*.js")
    for text in re.findall(r'\bsay\(\s*"([^"]+)"', path.read_text(encoding="utf-8"))
}
LANGUAGES = sorted(set(words()) - {"en"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_is_said_is_translated(language):
    told = words()[language]["chrominance"]
    assert set(told) == SAID
    for text, other in told.items():
        assert other.strip()
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", other)), text


def test_there_are_languages():
    assert LANGUAGES == ["de", "es", "fr", "ja", "zh"]
    assert len(SAID) > 30


def test_a_widget_speaks_the_pages_language(page, address):
    page.goto(f"{address}/index.html?language=de")
    page.wait_for_function("window.ready")
    page.evaluate("makeNode('ChrominanceCompare')")
    assert page.locator(".empty").inner_text() == "Zum Vergleichen den Workflow ausführen."
    page.evaluate("makeNode('ChrominanceHintColorize', {widgets: [{name: 'hints', value: '1,2,#123456'}]})")
    assert page.locator(".note").inner_text() == "1 Punkte"


def test_a_language_that_is_not_there_is_english(page, address):
    page.goto(f"{address}/index.html?language=xx")
    page.wait_for_function("window.ready")
    page.evaluate("makeNode('ChrominanceCompare')")
    assert page.locator(".empty").inner_text() == "Run the workflow to compare."
