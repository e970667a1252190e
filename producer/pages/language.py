"""Languages of the pages: which one a reader wants, and the translations.

Templates hold English. ``locale/zh.po`` holds the Chinese for it, in the format that translators' tools know (GNU
gettext), and is compiled when first used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "zh": "中文"}

Translate = Callable[[str], str]


def wanted(chosen: str | None, accepted: str) -> str:
    """Return the language that a reader chose, else the first of an Accept-Language header that there is."""
    if chosen in LANGUAGES:
        return chosen
    ranges = [part.partition(";")[0].strip() for part in accepted[:200].split(",")]
    return negotiate_locale([one for one in ranges if one], list(LANGUAGES), sep="-") or "en"


@cache
def translations(language: str) -> NullTranslations:
    """Return the translations into a language of LANGUAGES; there are none into English."""
    if language == "en":
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(files("producer.pages").joinpath(f"locale/{language}.po").read_bytes())))
    compiled.seek(0)
    return GNUTranslations(compiled)
