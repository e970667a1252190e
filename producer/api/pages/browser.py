"""Serve browsers: the session in a cookie says who asks, and changes come from our own forms alone."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from producer.api.access import Admin, Caller, ForAdmins, ForCallers, Keyed, session_of
from producer.api.admin.browser import HEADERS, require_same_site
from producer.api.cookies import session_key, session_token
from producer.api.limits import TooManyRequests
from producer.api.problems import problem_of
from producer.pages.language import wanted
from producer.pages.shell import POLICY, Reader, render
from shared.context import Session
from shared.errors import AtelierError, NotAllowed, Unauthenticated
from shared.merchants.browser_sessions import form_token
from shared.merchants.keys import ApiKey

LANGUAGE_COOKIE = "atelier_language"
SAFE = ("GET", "HEAD")


class WrongHost(NotAllowed):
    """A browser asked for a page under a name that is not ours."""

    code = "wrong_host"


class BrowserRoute(APIRoute):
    """Route that answers browsers, also where something is wrong, and nobody under a foreign name."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        handle = super().get_route_handler()

        async def handle_browser(request: Request) -> Response:
            try:
                require_own_host(request)
                require_same_site(request)
                found = await handle(request)
            except (AtelierError, RequestValidationError, HTTPException) as error:
                found = trouble(request, error)
            found.headers.update(HEADERS)
            return found

        return handle_browser


class _ForPages(Keyed):
    """Route for who has signed in; others are led to the sign-in and back."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                require_own_host(request)
                require_same_site(request)
                await require_form_token(request)
                found = await handle(request)
            except Unauthenticated:
                found = to_sign_in(request)
            except (AtelierError, RequestValidationError, HTTPException) as error:
                found = trouble(request, error)
            found.headers.update(HEADERS)
            return found

        return handle_page

    @staticmethod
    def authenticate(session: Session, request: Request) -> ApiKey:
        """Return the key that the browser's session stands for. Raises Unauthenticated."""
        key = session_key(session, request)
        if key is None:
            raise Unauthenticated("sign in first")
        return key


class ForMerchantPages(_ForPages, ForCallers):
    """Page for a merchant."""

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Caller:
        """Return the merchant. Raises NotAllowed for an admin's session."""
        if key.merchant_id is None:
            raise NotAllowed("this page is a merchant's, and you signed in with an admin's key")
        return ForCallers.admit(session, key)


class ForAdminPages(_ForPages, ForAdmins):
    """Page for an admin."""

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Admin:
        """Return the admin. Raises NotAllowed for a merchant's session."""
        if key.merchant_id is not None:
            raise NotAllowed("this page is for admins, and you signed in with a merchant's key")
        return ForAdmins.admit(session, key)


def page(request: Request, template: str, status: int = 200, **view: Any) -> HTMLResponse:
    """Return a page from a template that extends ``shell.html``."""
    return HTMLResponse(render(template, reader_of(request), **view), status, {"Content-Security-Policy": POLICY})


def reader_of(request: Request) -> Reader:
    """Return who reads the answer to a request."""
    language = wanted(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))
    asking = getattr(request.state, "asking", None)
    if asking is None:
        return Reader(language, request.url.path)
    return Reader(
        language,
        request.url.path,
        who=asking.who,
        merchant=asking.merchant if isinstance(asking, Caller) else "",
        admin=isinstance(asking, Admin),
        form_token=form_token(session_token(request)),
    )


def trouble(request: Request, error: AtelierError | RequestValidationError | HTTPException) -> Response:
    """Return a page that says what is wrong."""
    problem = problem_of(error)
    found = page(request, "trouble.html", problem.status, problem=problem)
    if isinstance(error, TooManyRequests):
        found.headers["Retry-After"] = str(error.retry_after_seconds)
    return found


def to_sign_in(request: Request) -> Response:
    """Lead a browser to the sign-in, and afterwards to the page it asked for; a script is told the same."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/sign-in" + (f"?next={quote(path)}" if request.method in SAFE and path != "/" else "")
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": "/sign-in"})
    return RedirectResponse(target, 303)


def require_own_host(request: Request) -> None:
    """Raise WrongHost for a name that is not ours: another site's, which was made to lead here (DNS rebinding)."""
    name = _host_name(request.headers.get("host", ""))
    public = session_of(request).settings.public_url
    if name != "localhost" and not _is_loopback(name) and (public is None or name != urlsplit(public).hostname):
        raise WrongHost(
            f"the pages are not served under the name {name[:100]!r}: open them by their own address, which the "
            "setting ATELIER_PUBLIC_URL names"
        )


def _host_name(host: str) -> str:
    try:
        return "" if "@" in host else urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


async def require_form_token(request: Request) -> None:
    """Raise NotAllowed for a change without the session's token, in the form or in the header X-CSRF-Token."""
    if request.method in SAFE:
        return
    if not session_token(request):
        raise Unauthenticated("sign in first")
    given = request.headers.get("x-csrf-token")
    if given is None:
        form = await request.form()
        value = form.get("csrf")
        given = value if isinstance(value, str) else ""
    if not hmac.compare_digest(given.encode(), form_token(session_token(request)).encode()):
        raise NotAllowed("nothing was changed, since this form is from an earlier sign-in: reload the page")
