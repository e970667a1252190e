"""Authenticate an admin's browser, and refuse requests from other sites.

It has signed in, or sends an admin's key as the password by HTTP Basic, which needs no session. Browsers send cookie
and password whatever site a request comes from, so a change needs the browser's confirmation that it comes from us.
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
from producer.api.cookies import session_key
from producer.api.limits import TooManyRequests
from producer.api.problems import Problem, problem_of
from producer.pages.admin.page import Page, note_page
from shared.context import Session
from shared.errors import AtelierError, NotAllowed, Unauthenticated
from shared.merchants.keys import ApiKey

HEADERS = {
    # With no-referrer, browsers would not send the origin of the page's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""Headers of the page, besides those of all answers, which prevent caching and guessing of types."""


class ForBrowsers(ForAdmins):
    """Route of the page. Errors are shown as a page, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        handle = super().get_route_handler()

        async def handle_for_browser(request: Request) -> Response:
            try:
                require_same_site(request)
                found = await handle(request)
            except (AtelierError, RequestValidationError, HTTPException) as error:
                found = trouble(problem_of(error))
                if isinstance(error, TooManyRequests):
                    found.headers["Retry-After"] = str(error.retry_after_seconds)
            found.headers.update(HEADERS)
            return found

        return handle_for_browser

    @staticmethod
    def authenticate(session: Session, request: Request) -> ApiKey:
        """Return the key of the browser's session, or the one that is the password. Raises Unauthenticated."""
        if "authorization" not in request.headers and (key := session_key(session, request)) is not None:
            return key
        scheme, given = get_authorization_scheme_param(request.headers.get("authorization"))
        try:
            _, colon, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:  # not Base64, or not UTF-8 in it
            colon = secret = ""
        if scheme.lower() != "basic" or not colon:
            raise Unauthenticated(
                "log in with an admin's key as the password: create one with `atelier keys create --admin`"
            )
        return known_key(session, secret)

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Admin:
        """Return the admin. Raises Unauthenticated for a merchant's key, so that the browser asks for another."""
        try:
            return ForAdmins.admit(session, key)
        except NotAllowed as error:
            raise Unauthenticated(str(error)) from error


def require_same_site(request: Request) -> None:
    """Raise NotAllowed for a change that the page itself has not requested.

    Browsers send the origin of a request in Sec-Fetch-Site (Fetch Metadata, W3C) or, without TLS, only in Origin.
    A client that sends neither is no browser, and should use the API.
    """
    if request.method in ("GET", "HEAD"):
        return
    origin = request.headers.get("sec-fetch-site")
    if origin is None:
        host = request.headers.get("host")
        is_own = request.headers.get("origin") in (f"https://{host}", f"http://{host}")
        origin = "same-origin" if is_own else "cross-site"
    if origin != "same-origin":
        raise NotAllowed("nothing was changed: the request does not come from one of our own pages")


def page(found: Page, status: int = 200) -> HTMLResponse:
    """Return a page as a response."""
    return HTMLResponse(found.html, status, {"Content-Security-Policy": found.policy})


def trouble(problem: Problem) -> HTMLResponse:
    """Return a problem as a page."""
    found = page(note_page(problem.title, [problem.detail], problem.code), problem.status)
    if problem.status == 401:
        found.headers["WWW-Authenticate"] = 'Basic realm="Atelier", charset="UTF-8"'
    return found
