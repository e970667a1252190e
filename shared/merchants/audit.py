"""Record who did what, and when, in the audit log. The database allows appending only.

An entry is written in the same transaction as the change that it describes, so neither exists without the
other. It names a merchant by number and contains no secret, no file name and no address of an image, so
nothing has to be removed from it when a merchant is erased.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Entry:
    """Line of the log. ``merchant`` is the name; None when no merchant is concerned or the merchant was erased."""

    id: int
    at: datetime
    who: str
    what: str
    merchant_id: int | None
    merchant: str | None
    details: Mapping[str, object]


def operator() -> str:
    """Name the account that runs this process, as the system and not the environment knows it, and the host."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def record(
    connection: Connection, actor: str, action: str, merchant: int | None, details: Mapping[str, object]
) -> None:
    """Append an entry. ``action`` is the words of the command, as in ``merchants allow``."""
    connection.execute(
        text("INSERT INTO audit (who, what, merchant_id, details) VALUES (:who, :what, :merchant, :details)"),
        {"who": actor, "what": action, "merchant": merchant, "details": json.dumps(dict(details), default=str)},
    )


def entries(
    connection: Connection, *, merchant: int | None, since: datetime | None, before: int | None, limit: int
) -> list[Entry]:
    """Return entries, newest first: optionally of one merchant, since a time, older than the entry ``before``."""
    rows = connection.execute(
        text("""
        SELECT a.id, a.at, a.who, a.what, a.merchant_id, m.name AS merchant, a.details
        FROM audit a LEFT JOIN merchants m ON m.id = a.merchant_id
        WHERE (CAST(:merchant AS bigint) IS NULL OR a.merchant_id = :merchant)
          AND (CAST(:since AS timestamptz) IS NULL OR a.at >= :since)
          AND (CAST(:before AS bigint) IS NULL OR a.id < :before)
        ORDER BY a.id DESC LIMIT :limit
        """),
        {"merchant": merchant, "since": since, "before": before, "limit": limit},
    )
    return [Entry(*row) for row in rows]
