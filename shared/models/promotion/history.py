"""The history of promotions: how each version came to its state, by whom and why. Only ever appended to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from shared.models.versions import ChangeKind


@dataclass(frozen=True)
class Promotion:
    """An entry: what happened to a version, and which one was the champion until then."""

    id: int
    kind: ChangeKind
    version_id: int
    previous_id: int | None
    verdict_id: int | None
    who: str
    reason: str
    at: datetime


def history(connection: Connection, version_id: int | None = None) -> list[Promotion]:
    """Return the entries, oldest first: all, or those of one version."""
    rows = connection.execute(
        text("""
        SELECT id, kind, version_id, previous_id, verdict_id, who, reason, at FROM promotions
        WHERE CAST(:version AS bigint) IS NULL OR version_id = :version ORDER BY id
        """),
        {"version": version_id},
    )
    return [Promotion(**row._asdict() | {"kind": ChangeKind(row.kind)}) for row in rows]


def previous_champion(entries: Iterable[Promotion]) -> int | None:
    """Return whom a rollback makes the champion, None where there was nobody before.

    Each promotion goes on a pile and each rollback takes one off, so that rollbacks in a row lead further and further
    back, and never to and fro.
    """
    pile: list[int] = []
    for entry in entries:
        if entry.kind == ChangeKind.PROMOTE:
            pile.append(entry.version_id)
        elif entry.kind == ChangeKind.ROLLBACK:
            pile.pop()
    return pile[-2] if len(pile) > 1 else None
