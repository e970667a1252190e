"""Keys of the HTTP API: who shows one acts for its merchant, or, where it has none, as an admin."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from shared.errors import Conflict, NotFound, UsageError

SCHEME = "atelier_"
"""What every key begins with, so that scanners for leaked secrets know one."""

PREFIX = len(SCHEME) + 6
NAME_LIMIT = 64


@dataclass(frozen=True)
class ApiKey:
    """A key as its owner sees it. An admin's has no merchant."""

    id: int
    merchant_id: int | None
    merchant: str | None
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


COLUMNS = (
    "k.id, k.merchant_id, m.name AS merchant, k.name, k.prefix, k.created_at, k.expires_at, k.used_at, k.revoked_at"
)
KEYS = "api_keys k LEFT JOIN merchants m ON m.id = k.merchant_id"


def create_key(
    connection: Connection, merchant: int | None, name: str, *, days: int | None = None
) -> tuple[ApiKey, str]:
    """Make a merchant's key, or an admin's (None); return it with its secret, which is shown this once.

    ``days``: until it expires.

    The secret has 256 random bits, so that a plain SHA-256 of it can be kept: no list of likely ones exists that
    a slow hash would have to be proof against. Raises UsageError on a bad name, Conflict if the name is taken.
    """
    if not name.isprintable() or not 0 < len(name) <= NAME_LIMIT:
        raise UsageError(f"a key's name has 1 to {NAME_LIMIT} printable characters")
    secret = SCHEME + secrets.token_urlsafe(32)
    found = connection.execute(
        text("""
        INSERT INTO api_keys (merchant_id, name, prefix, sha256, expires_at)
        VALUES (:merchant, :name, :prefix, :sha256, clock_timestamp() + make_interval(days => :days))
        ON CONFLICT (merchant_id, name) DO NOTHING RETURNING id
        """),
        {"merchant": merchant, "name": name, "prefix": secret[:PREFIX], "sha256": digest(secret), "days": days},
    ).scalar_one_or_none()
    if found is None:
        raise Conflict(f"there is a key {name!r} {_owner(merchant)}: choose another name")
    return _one(connection, "k.id = :id", {"id": found}), secret


def find_key(connection: Connection, secret: str) -> ApiKey | None:
    """Return the key of a secret, unless it is unknown, expired or revoked; note that it was used.

    Looked up by hash, so that how long it takes says nothing of a secret.
    """
    row = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM {KEYS}
        WHERE k.sha256 = :sha256 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
          AND m.erasing_at IS NULL
        """),
        {"sha256": digest(secret)},
    ).one_or_none()
    if row is None:
        return None
    connection.execute(  # once a minute: reading must not become writing
        text("""
        UPDATE api_keys SET used_at = clock_timestamp()
        WHERE id = :id AND (used_at IS NULL OR used_at < clock_timestamp() - interval '1 minute')
        """),
        {"id": row.id},
    )
    return ApiKey(**row._asdict())


def list_keys(connection: Connection) -> list[ApiKey]:
    """Return everybody's keys, newest first; also what is revoked."""
    rows = connection.execute(text(f"SELECT {COLUMNS} FROM {KEYS} ORDER BY k.id DESC"))
    return [ApiKey(**row._asdict()) for row in rows]


def keys_of(connection: Connection, merchant: int | None) -> list[ApiKey]:
    """Return the keys of a merchant, or of admins (None), newest first; also what is revoked."""
    rows = connection.execute(
        text(f"SELECT {COLUMNS} FROM {KEYS} WHERE k.merchant_id IS NOT DISTINCT FROM :merchant ORDER BY k.id DESC"),
        {"merchant": merchant},
    )
    return [ApiKey(**row._asdict()) for row in rows]


def revoke_key(connection: Connection, merchant: int | None, name: str) -> ApiKey:
    """Let a key of a merchant, or of an admin (None), open nothing any more, at once. Raises NotFound."""
    where: dict[str, object] = {"merchant": merchant, "name": name}
    done = connection.execute(
        text("""
        UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
        WHERE merchant_id IS NOT DISTINCT FROM :merchant AND name = :name
        """),
        where,
    )
    if done.rowcount == 0:
        raise NotFound(f"no key {name!r} {_owner(merchant)}: `atelier keys list` names them")
    return _one(connection, "k.merchant_id IS NOT DISTINCT FROM :merchant AND k.name = :name", where)


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _owner(merchant: int | None) -> str:
    return "among those of admins" if merchant is None else "of this merchant"


def _one(connection: Connection, where: str, values: dict[str, object]) -> ApiKey:
    row = connection.execute(text(f"SELECT {COLUMNS} FROM {KEYS} WHERE {where}"), values).one()
    return ApiKey(**row._asdict())
