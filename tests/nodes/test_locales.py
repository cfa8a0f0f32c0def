from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from chrominance.nodes.sockets import Menu

from .english import LOCALES, english

LANGUAGES = ("de", "es", "fr", "ja", "zh")
each_language = pytest.mark.parametrize("language", LANGUAGES)

# What stays as it is in any language: colours, file endings, numbers.
FIXED = re.compile(r"#[0-9a-f]{3,6}\b|(?<!\w)\.[a-z]{3,4}\b|\d+")
# Letters that only such a language has.
OWN_LETTERS = {"ja": "[\u3040-\u30ff\u4e00-\u9fff]", "zh": "[\u4e00-\u9fff]"}


def words(language):
    return json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))


def flat(tree, path=()):
    """Return the leaves of nested dicts as {path: text}."""
    if not isinstance(tree, dict):
        return {path: tree}
    return {key: text for name, value in tree.items() for key, text in flat(value, (*path, name)).items()}


def test_there_is_a_folder_for_each_language_and_no_other():
    assert {path.name for path in LOCALES.iterdir()} == {"en", *LANGUAGES}


def test_the_english_is_that_of_the_schemas():
    assert words("en") == english(), "run python tests/nodes/english.py, and look at the other languages"


@each_language
def test_every_word_is_translated(language):
    expected, found = flat(words("en")), flat(words(language))
    assert list(found) == list(expected)
    for path, text in found.items():
        assert text.strip(), path
        # Some languages count with numerals what English counts with words: there may be more.
        assert not Counter(FIXED.findall(expected[path])) - Counter(FIXED.findall(text)), path


@each_language
def test_sentences_are_in_that_language(language):
    english, found = flat(words("en")), flat(words(language))
    for path, text in found.items():
        if path[-1] in ("tooltip", "description"):
            assert text != english[path], path
            assert language not in OWN_LETTERS or re.search(OWN_LETTERS[language], text), path


@each_language
def test_no_two_nodes_have_one_name(language):
    names = [node["display_name"] for node in words(language).values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_the_menus_are_named(language):
    menus = {text.split("/")[1] for name, text in vars(Menu).items() if name.isupper()}
    named = json.loads((LOCALES / language / "main.json").read_text(encoding="utf-8"))["nodeCategories"]
    assert set(named) == menus
    assert all(named.values())
    assert len(set(named.values())) == len(named)
