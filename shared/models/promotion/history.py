"""Read the history of promotions: how each version got its state, by whom and why. It is append-only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from shared.models.versions import ChangeKind


@dataclass(frozen=True)
class Promotion:
    """Entry of the history: what happened to a version, and which version was the champion until then."""

    id: int
    kind: ChangeKind
    version_id: int
    previous_id: int | None
    verdict_id: int | None
    who: str
    reason: str
    at: datetime


def history(connection: Connection, version_id: int | None = None) -> list[Promotion]:
    """Return the entries of all versions or of one, oldest first."""
    rows = connection.execute(
        text("""
        SELECT id, kind, version_id, previous_id, verdict_id, who, reason, at FROM promotions
        WHERE CAST(:version AS bigint) IS NULL OR version_id = :version ORDER BY id
        """),
        {"version": version_id},
    )
    return [Promotion(**row._asdict() | {"kind": ChangeKind(row.kind)}) for row in rows]


def previous_champion(entries: Iterable[Promotion]) -> int | None:
    """Return the version that a rollback makes the champion, or None.

    Each promotion pushes a version on a stack and each rollback pops one, so repeated rollbacks go further and
    further back and never alternate.
    """
    pile: list[int] = []
    for entry in entries:
        if entry.kind == ChangeKind.PROMOTE:
            pile.append(entry.version_id)
        elif entry.kind == ChangeKind.ROLLBACK:
            pile.pop()
    return pile[-2] if len(pile) > 1 else None
