"""Sessions of browsers. A browser shows its key, or a code that is good for one time, and gets a token instead.

A session may do what its key may, and ends with it. Only hashes of tokens and codes are stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import Connection, text

from shared.merchants.keys import COLUMNS, KEYS, USABLE, ApiKey, digest

CODE = "sign-in_"
"""Start of every sign-in code, which tells it from a key."""

CODE_MINUTES = 10

IDLE_HOURS, MOST_HOURS = 12, 7 * 24
"""Hours after which a session ends: without a request, and in any case."""


def begin_session(connection: Connection, key: ApiKey) -> str:
    """Begin a session with a key; return its token, of 256 random bits. Removes sessions and codes that are over."""
    for table in ("browser_sessions", "sign_in_codes"):
        connection.execute(text(f"DELETE FROM {table} WHERE expires_at < clock_timestamp()"))
    token = secrets.token_urlsafe(32)
    connection.execute(
        text("""
        INSERT INTO browser_sessions (sha256, key_id, expires_at)
        VALUES (:sha256, :key, clock_timestamp() + make_interval(hours => :hours))
        """),
        {"sha256": digest(token), "key": key.id, "hours": IDLE_HOURS},
    )
    return token


def find_session(connection: Connection, token: str) -> ApiKey | None:
    """Return the key of a session, which goes on; None if it is unknown or over, or its key may not be used now."""
    row = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM browser_sessions s JOIN {KEYS} ON k.id = s.key_id
        WHERE s.sha256 = :sha256 AND s.expires_at > clock_timestamp() AND {USABLE}
        """),
        {"sha256": digest(token)},
    ).one_or_none()
    if row is None:
        return None
    connection.execute(  # at most once a minute, so that reads stay cheap
        text("""
        UPDATE browser_sessions SET expires_at = least(clock_timestamp() + make_interval(hours => :idle),
                                                       created_at + make_interval(hours => :most))
        WHERE sha256 = :sha256 AND expires_at < clock_timestamp() + make_interval(hours => :idle, mins => -1)
          AND expires_at < created_at + make_interval(hours => :most)
        """),
        {"sha256": digest(token), "idle": IDLE_HOURS, "most": MOST_HOURS},
    )
    return ApiKey(**row._asdict())


def end_session(connection: Connection, token: str) -> None:
    """End a session; one that is over already stays so."""
    connection.execute(text("DELETE FROM browser_sessions WHERE sha256 = :sha256"), {"sha256": digest(token)})


def make_code(connection: Connection, key: ApiKey) -> str:
    """Return a code by which one browser may sign in once, within ten minutes, as if it had the key."""
    code = CODE + secrets.token_urlsafe(32)
    connection.execute(
        text("""
        INSERT INTO sign_in_codes (sha256, key_id, expires_at)
        VALUES (:sha256, :key, clock_timestamp() + make_interval(mins => :minutes))
        """),
        {"sha256": digest(code), "key": key.id, "minutes": CODE_MINUTES},
    )
    return code


def redeem_code(connection: Connection, code: str) -> ApiKey | None:
    """Return the key of a code, which cannot be used again; None if it was used, is too old, or unknown."""
    key_id = connection.execute(
        text("DELETE FROM sign_in_codes WHERE sha256 = :sha256 AND expires_at > clock_timestamp() RETURNING key_id"),
        {"sha256": digest(code)},
    ).scalar_one_or_none()
    row = connection.execute(
        text(f"SELECT {COLUMNS} FROM {KEYS} WHERE k.id = :key AND {USABLE}"), {"key": key_id}
    ).one_or_none()
    return None if row is None else ApiKey(**row._asdict())


def form_token(session_token: str) -> str:
    """Return the token that forms of a session carry, so that no other site can send one (HMAC-SHA-256, RFC 2104)."""
    return hmac.new(session_token.encode(), b"form", hashlib.sha256).hexdigest()
