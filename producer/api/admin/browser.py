"""Requests of browsers: HTTP Basic with an admin's key as the password, and none that another site had them send.

Basic rather than a form with a cookie: there is no session to keep, to steal or to end, a key that is revoked opens
nothing from then on, and its secret is kept by the browser alone. As browsers send it along by themselves, whatever
site a request comes from, nothing is changed unless the browser says that the request is of this page.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.security.utils import get_authorization_scheme_param
from starlette.exceptions import HTTPException

from producer.api.access import Admin, ForAdmins, known_key
from producer.api.problems import Problem, problem_of
from producer.pages.admin.page import Page, note_page
from shared.context import Session
from shared.errors import AtelierError, NotAllowed, Unauthenticated
from shared.merchants.keys import ApiKey

HEADERS = {
    # With no-referrer, browsers would not tell the origin of the page's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""Besides those of all answers, which let nothing be cached or taken for another type."""


class ForBrowsers(ForAdmins):
    """A route of the page. What is wrong is said as a page, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def handle_for_browser(request: Request) -> Response:
            try:
                require_same_site(request)
                found = await handle(request)
            except (AtelierError, RequestValidationError, HTTPException) as error:
                found = trouble(problem_of(error))
            found.headers.update(HEADERS)
            return found

        return handle_for_browser

    @staticmethod
    def authenticate(session: Session, request: Request) -> ApiKey:
        """Return the key that is the password. Raises Unauthenticated."""
        scheme, given = get_authorization_scheme_param(request.headers.get("authorization"))
        try:
            _, colon, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:  # no Base64, or no UTF-8 in it
            colon = secret = ""
        if scheme.lower() != "basic" or not colon:
            raise Unauthenticated("log in with an admin's key as the password: `atelier keys create --admin` makes one")
        return known_key(session, secret)

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Admin:
        """Return who asks. Raises Unauthenticated where that is a merchant, so that the browser asks for another."""
        try:
            return ForAdmins.admit(session, key)
        except NotAllowed as error:
            raise Unauthenticated(str(error)) from error


def require_same_site(request: Request) -> None:
    """Raise NotAllowed for a change that is not asked for by the page itself.

    Browsers tell where a request comes from in Sec-Fetch-Site (Fetch Metadata, W3C), or, without TLS, in Origin only.
    Whoever says neither is no browser, and has the API.
    """
    if request.method in ("GET", "HEAD"):
        return
    told = request.headers.get("sec-fetch-site")
    if told is None:
        host = request.headers.get("host")
        ours = request.headers.get("origin") in (f"https://{host}", f"http://{host}")
        told = "same-origin" if ours else "cross-site"
    if told != "same-origin":
        raise NotAllowed("nothing was changed: the request does not come from the page /admin itself")


def page(found: Page, status: int = 200) -> HTMLResponse:
    """Return a page as a response."""
    return HTMLResponse(found.html, status, {"Content-Security-Policy": found.policy})


def trouble(problem: Problem) -> HTMLResponse:
    """Return what is wrong as a page."""
    found = page(note_page(problem.title, [problem.detail], problem.code), problem.status)
    if problem.status == 401:
        found.headers["WWW-Authenticate"] = 'Basic realm="Atelier", charset="UTF-8"'
    return found
