"""Jinja2 for all pages: every value is escaped, an unknown name is an error, styles and scripts come from files."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

PALETTE = "palette.css"
"""Colours and fonts, which all pages share."""

_LOADER = PackageLoader("producer.pages")


@cache
def environment() -> Environment:
    """Return the environment of the templates."""
    made = Environment(
        loader=_LOADER,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["number"] = "{:,}".format
    return made


def inline(*files: str) -> Markup:
    """Return style or script files of the templates' folder as they stand, to be put into a page."""
    sources = (_LOADER.get_source(environment(), name)[0] for name in files)
    return Markup("\n" + "".join(sources))  # files of the project, which hold no values


def policy_source(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline style or script by, so that no other is obeyed."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
