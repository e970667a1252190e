"""The page for admins as a whole, and what it says instead where something is wrong."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template

from producer.pages.admin.elements import moment
from producer.pages.admin.fleet import details, fleet
from producer.pages.admin.models import models
from producer.pages.admin.nights import nights
from producer.pages.admin.training import progress, training
from producer.pages.admin.view import Live, View

REFRESH_SECONDS = 5
WITHOUT_SCRIPT_SECONDS = 60
"""Then the whole page is loaded again, and a reason that somebody is just writing with it."""

PARTS = ("models", "training", "nights")


@dataclass(frozen=True)
class Page:
    """A page, and the Content-Security-Policy it is to be sent with."""

    html: str
    policy: str


def admin_page(view: View) -> Page:
    """Return the page."""
    links = "".join(f'<a href="#{part}">{part.capitalize()}</a>' for part in PARTS)
    body = (
        '<header class="top"><p class="brand">Atelier</p><h1>Admin</h1>\n'
        f"{fleet(view)}\n{details(view)}</header>\n"
        f'<nav aria-label="Parts of the page">{links}</nav>\n<main>\n'
        f'<section id="models"><h2>Models</h2>\n{models(view)}</section>\n'
        f'<section id="training"><h2>Training</h2>\n{training(view)}</section>\n'
        f'<section id="nights"><h2>Nights</h2>\n{nights(view)}</section>\n</main>\n'
        f'<footer class="foot"><p>As of {moment(view.now)} UTC, for {escape(view.who)}.</p></footer>'
    )
    return _page("Admin", body, refresh=bool(view.under_way))


def live_parts(live: Live) -> Page:
    """Return those parts of the page alone that its script looks at again, as long as there is something to see."""
    return Page(fleet(live) + "".join(map(progress, live.under_way)), "default-src 'none'; frame-ancestors 'none'")


def note_page(title: str, sentences: list[str], code: str = "") -> Page:
    """Return a page that says something, and leads back."""
    told = "".join(f"<p><bdi>{escape(sentence)}</bdi></p>\n" for sentence in sentences)
    body = (
        f'<header class="top"><p class="brand">Atelier</p><h1>{escape(title)}</h1></header>\n<main class="note">{told}'
        + (f'<p class="soft"><code>{escape(code)}</code></p>\n' if code else "")
        + '<p><a href="/admin">Back to the page</a></p></main>'
    )
    return _page(title, body, refresh=False)


def _page(title: str, body: str, *, refresh: bool) -> Page:
    templates = resources.files("producer.pages").joinpath("templates")
    palette, shell = (templates.joinpath(name).read_text(encoding="utf-8") for name in ("palette.css", "admin.html"))
    again = f'<noscript><meta http-equiv="refresh" content="{WITHOUT_SCRIPT_SECONDS}"></noscript>'
    styled = Template(shell).safe_substitute(palette=palette)
    html = Template(styled).substitute(
        title=escape(title),
        refresh=again if refresh else "",
        seconds=str(REFRESH_SECONDS if refresh else 0),
        body=body,
    )
    return Page(html, _policy(styled))


def _policy(shell: str) -> str:
    """Allow the shell's own script and style alone: a second guard should escaping ever fail."""
    script, style = (_hash(shell, tag) for tag in ("script", "style"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _hash(shell: str, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", shell, re.DOTALL)
    digest = hashlib.sha256((found[1] if found else "").encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
