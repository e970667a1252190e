"""Merchants: the tenants to whom everything else belongs."""

from __future__ import annotations

import re

from sqlalchemy import Connection, text

from shared.errors import UsageError

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def merchant_id(connection: Connection, name: str) -> int:
    """Return the id of a merchant, who is created at first sight. Raises UsageError on a bad name."""
    if not NAME.fullmatch(name):
        raise UsageError(f"merchant {name!r}: use up to 64 lower-case letters, digits, dots, dashes, underscores")
    connection.execute(
        text("INSERT INTO merchants (name) VALUES (:name) ON CONFLICT (name) DO NOTHING"), {"name": name}
    )
    found = connection.execute(text("SELECT id FROM merchants WHERE name = :name"), {"name": name})
    return int(found.scalar_one())
