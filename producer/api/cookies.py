"""The cookie that holds a browser's session."""

from __future__ import annotations

from fastapi import Request, Response

from producer.api.access import session_of
from shared.context import Session
from shared.database import transaction
from shared.merchants.browser_sessions import MOST_HOURS, find_session
from shared.merchants.keys import ApiKey


def session_key(session: Session, request: Request) -> ApiKey | None:
    """Return the key of the browser's session; None without one, or if it is over."""
    token = session_token(request)
    if not token:
        return None
    with transaction(session.engine) as connection:
        return find_session(connection, token)


def session_token(request: Request) -> str:
    """Return the token in the cookie; empty without one."""
    return request.cookies.get(cookie_name(request), "")


def cookie_name(request: Request) -> str:
    """Return the cookie's name. By TLS it has the prefix that binds it to this very host (RFC 6265bis)."""
    return "__Host-atelier" if is_secure(request) else "atelier_session"


def set_session(request: Request, response: Response, token: str) -> None:
    """Give a browser its session."""
    response.set_cookie(
        cookie_name(request),
        token,
        max_age=MOST_HOURS * 3600,
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )


def is_secure(request: Request) -> bool:
    """Return whether the browser came by TLS, to us or to the proxy that the setting public_url names."""
    public = session_of(request).settings.public_url
    return request.url.scheme == "https" or (public is not None and public.startswith("https:"))
