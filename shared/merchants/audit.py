"""The audit log: who did what, and when. Only ever appended to; the database refuses everything else.

An entry is written in the transaction of what it tells of, so that neither is there without the other.
It names a merchant by number and holds no secret, no file name and no address of an image: when a merchant is
erased, nothing has to go from it.
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
    """A line of the log. ``merchant`` is the name, None for what concerns no merchant or one who was erased."""

    id: int
    at: datetime
    who: str
    what: str
    merchant_id: int | None
    merchant: str | None
    details: Mapping[str, object]


def operator() -> str:
    """Name whoever runs this process: the account, as the system and not the environment knows it, and the host."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user needs no name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def record(connection: Connection, who: str, what: str, merchant: int | None, details: Mapping[str, object]) -> None:
    """Append an entry. ``what`` is the command's words, as in ``merchants allow``."""
    connection.execute(
        text("INSERT INTO audit (who, what, merchant_id, details) VALUES (:who, :what, :merchant, :details)"),
        {"who": who, "what": what, "merchant": merchant, "details": json.dumps(dict(details), default=str)},
    )


def entries(
    connection: Connection, *, merchant: int | None, since: datetime | None, before: int | None, limit: int
) -> list[Entry]:
    """Return the newest entries, newest first: of one merchant, since a moment, older than an entry, if so asked."""
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
