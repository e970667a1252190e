"""The pages in other languages: nothing stays in English, and nothing is translated that is not there any more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from producer.api.problems import TITLES
from producer.pages.language import LANGUAGES, translations, wanted
from producer.pages.shell import ADMIN_PAGES, MERCHANT_PAGES

TEMPLATES = Path(__file__).parents[2] / "producer" / "pages" / "templates"
LOCALES = TEMPLATES.parent / "locale"
NAMED = {*TITLES.values(), *MERCHANT_PAGES.values(), *ADMIN_PAGES.values()}
PLACES = re.compile(r"%\((\w+)\)s")


def texts() -> set[str]:
    """All texts that templates translate."""
    found = extract_from_dir(TEMPLATES, [("**.html", "jinja2")], {"**.html": {"trimmed": "true"}})
    singular = {text if isinstance(text, str) else text[0] for _, _, text, _, _ in found}
    return singular | NAMED


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_every_text_is_translated_with_the_same_places(language: str) -> None:
    with (LOCALES / f"{language}.po").open("rb") as file:
        catalog = read_po(file)
    found = {message.id: message.string for message in catalog if message.id}
    assert texts() - found.keys() == set()
    for text, translated in found.items():
        assert isinstance(text, str)
        assert translated, text
        assert set(PLACES.findall(text)) == set(PLACES.findall(str(translated))), text
        assert translations(language).gettext(text) == translated


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr-FR, en;q=.5", "en"),
        (None, "", "en"),
        (None, ";;;,,,\x00é" * 1000, "en"),
        ("zh", "en", "zh"),
        ("xx", "zh", "zh"),
    ],
)
def test_a_reader_gets_what_he_chose_or_else_accepts(chosen: str | None, accepted: str, language: str) -> None:
    assert wanted(chosen, accepted) == language
