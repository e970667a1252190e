"""The page for admins as a whole, and what it says instead where something is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from producer.pages.admin.chart import charts
from producer.pages.admin.view import Live, View
from producer.pages.environment import PALETTE, inline, make_environment, policy_source
from shared.models.promotion.rules import NEVER
from shared.models.promotion.verdict_notes import notes
from shared.models.promotion.verdicts import VerdictFigures
from shared.models.training.requests import MOST_PHOTOS, MOST_STEPS, RunSpec

REFRESH_SECONDS = 5
WITHOUT_SCRIPT_SECONDS = 60
"""Then the whole page is loaded again, and a reason that somebody is just writing with it."""

_FORM = {
    "never": NEVER,
    "steps": RunSpec.steps,
    "most_steps": MOST_STEPS,
    "photos": RunSpec.photos,
    "most_photos": MOST_PHOTOS,
}
"""What the form for another run begins with, and its limits."""


@dataclass(frozen=True)
class Page:
    """A page, and the Content-Security-Policy it is to be sent with."""

    html: str
    policy: str


def admin_page(view: View) -> Page:
    """Return the page."""
    return _page("page", title="Admin", refresh_seconds=REFRESH_SECONDS if view.under_way else 0, view=view, form=_FORM)


def live_parts(live: Live) -> Page:
    """Return those parts of the page alone that its script looks at again, as long as there is something to see."""
    html = _environment().get_template("admin/live.html").render(view=live)
    return Page(html, "default-src 'none'; frame-ancestors 'none'")


def note_page(title: str, sentences: list[str], code: str = "") -> Page:
    """Return a page that says something, and leads back."""
    return _page("note", title=title, refresh_seconds=0, sentences=sentences, code=code)


def _page(template: str, **values: object) -> Page:
    style, script = _inline(PALETTE, "admin/admin.css"), _inline("admin/admin.js")
    html = (
        _environment()
        .get_template(f"admin/{template}.html")
        .render(values, style=style, script=script, without_script_seconds=WITHOUT_SCRIPT_SECONDS)
    )
    return Page(html, _policy(script, style))


def _policy(script: str, style: str) -> str:
    """Allow the page's own script and style alone: a second guard should escaping ever fail."""
    return (
        f"default-src 'none'; script-src {policy_source(script)}; style-src {policy_source(style)}; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _notes(figures: Mapping[str, Any]) -> list[str]:
    return notes(VerdictFigures.from_json(figures))


@cache
def _inline(*files: str) -> Markup:
    return inline(*files)


@cache
def _environment() -> Environment:
    made = make_environment()
    made.filters.update(charts=charts, notes=_notes, by_regression=_by_regression)
    made.tests["worse"] = _is_worse
    return made


def _by_regression(styles: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return a verdict's styles, the worst first."""
    return sorted(styles, key=lambda style: -_regression(style))


def _is_worse(style: Mapping[str, Any]) -> bool:
    return _regression(style) > 0


def _regression(style: Mapping[str, Any]) -> float:
    """How much worse a style is; what is not finite could not be worse."""
    found = style["regression"]
    return float("inf") if found is None else float(found)
