"""Configure Jinja2 for all pages: values are escaped, unknown names are errors, styles and scripts come from files."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

PALETTE = "palette.css"
"""Colours and fonts that all pages share."""

_LOADER = PackageLoader("producer.pages")


def make_environment(extensions: Sequence[str] = ()) -> Environment:
    """Return an environment for the templates, with filters that format numbers and times for people."""
    made = Environment(
        extensions=extensions,
        loader=_LOADER,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(number="{:,}".format, utc=utc, duration=duration, change=change, path_segment=path_segment)
    return made


def inline(*files: str) -> Markup:
    """Return style or script files of the templates' folder unchanged, for use inside a page."""
    environment = make_environment()
    return Markup("\n" + "".join(_LOADER.get_source(environment, name)[0] for name in files))  # no values in them


def policy_source(text: str) -> str:
    """Return the source expression that allows an inline style or script in a Content-Security-Policy, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def utc(at: datetime, form: str) -> str:
    """Format a time in UTC."""
    return at.astimezone(UTC).strftime(form)


def duration(seconds: float) -> str:
    """Format a duration."""
    minutes = seconds / 60
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def change(share: float | None) -> str:
    """Format a relative change as a percentage; None could not be measured."""
    if share is None:
        return "not finite"
    percent = round(100 * share, 1)
    return f"{percent:+.1f} %".replace("-", "−") if percent else "0.0 %"


def path_segment(name: str) -> str:
    """Format a name as one segment of a URL's path."""
    return quote(name, safe="")
