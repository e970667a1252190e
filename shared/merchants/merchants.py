"""Merchants: the tenants that own everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Connection, text

from shared.errors import Conflict, NotFound, SourceRefused, UsageError

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")

LOCAL_MERCHANT = "local"
"""Merchant of commands that name none: the operator, who may read every source that this installation's keys open."""

ANY_BUCKET = "s3://"
_PREFIX = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(.+/)?)?")


def merchant_id(connection: Connection, name: str) -> int:
    """Return the id of a merchant. Creates the merchant when the name is new.

    Raises UsageError on a bad name, Conflict where the merchant is being erased.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"merchant {name!r}: use 1 to 64 lower-case letters, digits, dots, dashes, underscores")
    connection.execute(
        text("INSERT INTO merchants (name, allowed_sources) VALUES (:name, :allowed) ON CONFLICT (name) DO NOTHING"),
        {"name": name, "allowed": [ANY_BUCKET] if name == LOCAL_MERCHANT else []},
    )
    merchant = find_merchant(connection, name)
    require_kept(connection, merchant)
    return merchant


def require_kept(connection: Connection, merchant: int) -> None:
    """Raise Conflict if a merchant is being erased.

    Call it after inserting rows that stay: erasure waits for transactions that began before it, and later
    ones see that it has begun.
    """
    erasing = connection.execute(text("SELECT erasing_at FROM merchants WHERE id = :id"), {"id": merchant})
    if erasing.scalar_one() is not None:
        raise Conflict(f"merchant {merchant} is being erased: `atelier merchants erase` completes the erasure")


def find_merchant(connection: Connection, name: str) -> int:
    """Return the id of an existing merchant. Raises NotFound."""
    row_id = connection.execute(
        text("SELECT id FROM merchants WHERE name = :name"), {"name": name}
    ).scalar_one_or_none()
    if row_id is None:
        raise NotFound(f"no merchant {name!r}")
    return int(row_id)


def allowed_sources(connection: Connection, merchant: int) -> tuple[str, ...]:
    """Return the prefixes of ``s3://`` URLs that a merchant may read with the operator's access key, sorted."""
    row = connection.execute(text("SELECT allowed_sources FROM merchants WHERE id = :id"), {"id": merchant})
    return tuple(row.scalar_one())


def allow_source(connection: Connection, merchant: int, prefix: str) -> None:
    """Allow a merchant the objects below ``s3://bucket/`` or ``s3://bucket/folder/``; ``s3://`` allows every bucket.

    Raises UsageError when ``prefix`` is not such a prefix.
    """
    _change(connection, merchant, prefix, "array_append(array_remove(allowed_sources, :prefix), :prefix)")


def withdraw_source(connection: Connection, merchant: int, prefix: str) -> None:
    """Undo ``allow_source``. Waiting jobs are refused, too."""
    _change(connection, merchant, prefix, "array_remove(allowed_sources, :prefix)")


def set_consent(connection: Connection, merchant: int, *, consents: bool) -> None:
    """Allow or forbid training shared models on a merchant's catalogue images."""
    connection.execute(
        text("UPDATE merchants SET consents_to_training = :consents WHERE id = :id"),
        {"id": merchant, "consents": consents},
    )


def require_allowed(source: str, allowed: Sequence[str]) -> None:
    """Raise SourceRefused for an ``s3://`` URL below none of the ``allowed`` prefixes.

    The operator's access key opens the buckets of several merchants, so each may name only some of them.
    """
    if source.startswith("s3://") and not source.startswith(tuple(allowed)):
        bucket = source.removeprefix("s3://").partition("/")[0]
        raise SourceRefused(
            f"bucket {bucket} is not among the merchant's allowed sources: ask the operator to allow it"
            f" (atelier merchants allow MERCHANT s3://{bucket}/)",
            code="source_not_allowed",
        )


def _change(connection: Connection, merchant: int, prefix: str, changed: str) -> None:
    prefix = prefix if prefix.endswith("/") else prefix + "/"
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(f"{prefix!r} is not a source prefix: write s3://bucket/ or s3://bucket/folder/")
    connection.execute(
        text(f"""
        UPDATE merchants SET allowed_sources = ARRAY(SELECT one FROM unnest({changed}) one ORDER BY one COLLATE "C")
        WHERE id = :id
        """),
        {"id": merchant, "prefix": prefix},
    )
