"""Keys of the HTTP API. A key acts for its merchant or, when it has none, as an admin."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from shared.errors import Conflict, NotFound, UsageError

SCHEME = "atelier_"
"""Start of every key, by which scanners for leaked secrets recognise it."""

PREFIX = len(SCHEME) + 6
NAME_LIMIT = 64


@dataclass(frozen=True)
class ApiKey:
    """Key as shown to its owner. An admin's key has no merchant."""

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

# Whether the key ``k`` may be used.
USABLE = """k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
    AND m.erasing_at IS NULL"""


def create_key(
    connection: Connection, merchant: int | None, name: str, *, days: int | None = None
) -> tuple[ApiKey, str]:
    """Create a key of a merchant, or of an admin (None). Returns it with its secret, which is never shown again.

    ``days`` is the number of days until it expires. The secret has 256 random bits, too many to guess, so a
    plain SHA-256 of it is stored, not a slow hash. Raises UsageError on a bad name, Conflict if the name is taken.
    """
    if not name.isprintable() or not 0 < len(name) <= NAME_LIMIT:
        raise UsageError(f"a key's name must have 1 to {NAME_LIMIT} printable characters")
    secret = SCHEME + secrets.token_urlsafe(32)
    key_id = connection.execute(
        text("""
        INSERT INTO api_keys (merchant_id, name, prefix, sha256, expires_at)
        VALUES (:merchant, :name, :prefix, :sha256, clock_timestamp() + make_interval(days => :days))
        ON CONFLICT (merchant_id, name) DO NOTHING RETURNING id
        """),
        {"merchant": merchant, "name": name, "prefix": secret[:PREFIX], "sha256": digest(secret), "days": days},
    ).scalar_one_or_none()
    if key_id is None:
        raise Conflict(f"there is a key {name!r} {_owner(merchant)}: choose another name")
    return _one(connection, "k.id = :id", {"id": key_id}), secret


def find_key(connection: Connection, secret: str) -> ApiKey | None:
    """Return the key of a secret and note its use; None if it is unknown, expired or revoked.

    The lookup is by hash, so its duration reveals nothing about a secret.
    """
    row = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM {KEYS} WHERE k.sha256 = :sha256 AND {USABLE}
        """),
        {"sha256": digest(secret)},
    ).one_or_none()
    if row is None:
        return None
    connection.execute(  # at most once a minute, so that reads stay cheap
        text("""
        UPDATE api_keys SET used_at = clock_timestamp()
        WHERE id = :id AND (used_at IS NULL OR used_at < clock_timestamp() - interval '1 minute')
        """),
        {"id": row.id},
    )
    return ApiKey(**row._asdict())


def list_keys(connection: Connection) -> list[ApiKey]:
    """Return the keys of all merchants and admins, newest first, including revoked ones."""
    rows = connection.execute(text(f"SELECT {COLUMNS} FROM {KEYS} ORDER BY k.id DESC"))
    return [ApiKey(**row._asdict()) for row in rows]


def keys_of(connection: Connection, merchant: int | None) -> list[ApiKey]:
    """Return the keys of a merchant, or of admins (None), newest first, including revoked ones."""
    rows = connection.execute(
        text(f"SELECT {COLUMNS} FROM {KEYS} WHERE k.merchant_id IS NOT DISTINCT FROM :merchant ORDER BY k.id DESC"),
        {"merchant": merchant},
    )
    return [ApiKey(**row._asdict()) for row in rows]


def revoke_key(connection: Connection, merchant: int | None, name: str) -> ApiKey:
    """Revoke a key of a merchant, or of an admin (None), with immediate effect. Raises NotFound."""
    names: dict[str, object] = {"merchant": merchant, "name": name}
    updated = connection.execute(
        text("""
        UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
        WHERE merchant_id IS NOT DISTINCT FROM :merchant AND name = :name
        """),
        names,
    )
    if updated.rowcount == 0:
        raise NotFound(f"no key {name!r} {_owner(merchant)}: `atelier keys list` names them")
    return _one(connection, "k.merchant_id IS NOT DISTINCT FROM :merchant AND k.name = :name", names)


def digest(secret: str) -> str:
    """Return the hash under which a secret is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _owner(merchant: int | None) -> str:
    return "of an admin" if merchant is None else "of this merchant"


def _one(connection: Connection, where: str, values: dict[str, object]) -> ApiKey:
    row = connection.execute(text(f"SELECT {COLUMNS} FROM {KEYS} WHERE {where}"), values).one()
    return ApiKey(**row._asdict())
