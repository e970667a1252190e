"""What all pages have around them: head, navigation, language, and the policy they are sent with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment

from producer.pages.environment import make_environment
from producer.pages.language import LANGUAGES, translations
from producer.pages.static_files import address

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing inline, nothing from elsewhere; a second guard should escaping ever fail."""

MERCHANT_PAGES = {"/": "Batches", "/upload": "Upload", "/usage": "Usage"}
"""Pages in the navigation of a merchant; the names are translated."""

ADMIN_PAGES = {"/admin": "Operations"}


@dataclass(frozen=True)
class Reader:
    """Who reads a page. ``who`` and ``form_token`` are empty before a sign-in."""

    language: str
    path: str
    who: str = ""
    merchant: str = ""
    admin: bool = False
    form_token: str = ""

    @property
    def pages(self) -> Mapping[str, str]:
        """Return the pages that this reader may see."""
        if not self.who:
            return {}
        return ADMIN_PAGES if self.admin else MERCHANT_PAGES


def render(template: str, reader: Reader, **view: Any) -> str:
    """Return a page from a template of the folder ``templates``, in the reader's language."""
    return _environment(reader.language).get_template(template).render(view, reader=reader)


@cache
def _environment(language: str) -> Environment:
    made = make_environment(["jinja2.ext.i18n"])
    made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    made.globals.update(language=language, languages=LANGUAGES, static=address)
    return made
