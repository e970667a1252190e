"""Sign in with a key, or with a code that is good for one time, and out again; choose a language."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from producer.api.access import session_of
from producer.api.cookies import cookie_name, is_secure, session_key, session_token, set_session
from producer.api.pages.browser import LANGUAGE_COOKIE, BrowserRoute, page
from producer.pages.language import LANGUAGES
from shared.context import Session
from shared.database import transaction
from shared.errors import InvalidInput, Unauthenticated
from shared.merchants.browser_sessions import CODE, begin_session, end_session, redeem_code
from shared.merchants.keys import ApiKey, find_key

router = APIRouter(route_class=BrowserRoute, include_in_schema=False)

Next = Annotated[str, Form(max_length=2000)]


@router.get("/sign-in", response_class=HTMLResponse)
def show(request: Request, next: str = "") -> Response:
    """Ask for a key, unless somebody has signed in already."""
    key = session_key(session_of(request), request)
    if key is not None:
        return RedirectResponse(local_path(next) or _home(key), 303)
    return page(request, "sign_in.html", next=local_path(next), error="")


@router.post("/sign-in")
def sign_in(request: Request, secret: Annotated[str, Form(max_length=200)], next: Next = "") -> Response:
    """Begin a session. A new token is made each time, so that none can be planted in a browser beforehand."""
    session = session_of(request)
    target = local_path(next)
    try:
        key = _key_of(session, secret.strip())
    except Unauthenticated as error:
        request.app.state.wrong_keys.enter(request.client.host if request.client else "")()
        return page(request, "sign_in.html", 401, next=target, error=str(error))
    with transaction(session.engine) as connection:
        end_session(connection, session_token(request))
        token = begin_session(connection, key)
    found = RedirectResponse(target or _home(key), 303)
    set_session(request, found, token)
    return found


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the browser's session."""
    with transaction(session_of(request).engine) as connection:
        end_session(connection, session_token(request))
    found = RedirectResponse("/sign-in", 303)
    found.delete_cookie(cookie_name(request), secure=is_secure(request), httponly=True)
    return found


@router.post("/language")
def choose_language(request: Request, language: Annotated[str, Form()], next: Next = "") -> Response:
    """Show all pages in a language from now on."""
    if language not in LANGUAGES:
        raise InvalidInput(f"no language {language[:20]!r}: choose among {', '.join(LANGUAGES)}")
    found = RedirectResponse(local_path(next) or "/", 303)
    found.set_cookie(LANGUAGE_COOKIE, language, max_age=365 * 86_400, samesite="lax", secure=is_secure(request))
    return found


def local_path(path: str) -> str:
    """Return a path if it leads to a page of ours, else an empty text.

    Browsers take ``//evil`` and ``/\\evil`` for another host, and drop tabs and line ends.
    """
    leads_here = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable() and "\\" not in path
    return path if leads_here and not path.startswith(("/sign-", "/language")) else ""


def _key_of(session: Session, secret: str) -> ApiKey:
    with transaction(session.engine) as connection:
        if secret.startswith(CODE):
            key = redeem_code(connection, secret)
            if key is None:
                raise Unauthenticated("this sign-in code was used already, or is too old: ask for another")
            return key
        key = find_key(connection, secret)
    if key is None:
        raise Unauthenticated("this key is unknown, expired or revoked")
    return key


def _home(key: ApiKey) -> str:
    return "/admin" if key.merchant_id is None else "/"
