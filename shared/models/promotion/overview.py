"""Describe model versions to an admin: what each knows, what depends on it, and its history."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.models.promotion.canaries import running_canary
from shared.models.promotion.history import history
from shared.models.promotion.promotions import lost_styles
from shared.models.promotion.verdicts import list_verdicts
from shared.models.versions import VersionState, champion, version_of


@dataclass(frozen=True)
class Overview:
    """A version with its numbers of public and own styles, its share as a canary, and the batches that run on it."""

    id: int
    state: VersionState
    trunk_sha256: str
    created_at: datetime
    public_styles: int
    own_styles: int
    canary_share: float | None
    running_batches: int


SELECT = """
SELECT v.id, v.state, v.trunk_sha256, v.created_at, s.public_styles, s.own_styles,
       (SELECT share FROM canaries c WHERE c.version_id = v.id AND c.state = 'running') AS canary_share,
       (SELECT count(*) FROM batches b WHERE b.state = 'running' AND b.model_version_id = v.id) AS running_batches
FROM model_versions v CROSS JOIN LATERAL (
    SELECT count(DISTINCT s.id) FILTER (WHERE s.merchant_id IS NULL) AS public_styles,
           count(DISTINCT s.id) FILTER (WHERE s.merchant_id IS NOT NULL) AS own_styles
    FROM style_rows r JOIN styles s ON s.id = r.style_id WHERE r.trunk_sha256 = v.trunk_sha256
) s
"""


def list_versions(connection: Connection, *, before: int | None = None, limit: int | None = None) -> list[Overview]:
    """Return versions, newest first: all, at most ``limit``, or those older than the version ``before``."""
    rows = connection.execute(
        text(f"{SELECT} WHERE CAST(:before AS bigint) IS NULL OR v.id < :before ORDER BY v.id DESC LIMIT :limit"),
        {"before": before, "limit": limit},
    )
    return [_overview(row) for row in rows]


def show_version(connection: Connection, version_id: int) -> dict[str, Any]:
    """Return everything that is known of a version, as plain data. Raises NotFound."""
    version = version_of(connection, version_id)
    row = connection.execute(text(f"{SELECT} WHERE v.id = :id"), {"id": version_id}).one()
    provenance = connection.execute(
        text("SELECT provenance FROM model_versions WHERE id = :id"), {"id": version_id}
    ).scalar_one()
    canary = running_canary(connection)
    is_canary = canary is not None and canary.version_id == version_id
    return asdict(_overview(row)) | {
        "history": [asdict(entry) for entry in history(connection, version_id)],
        "canary": asdict(canary) if canary is not None and is_canary else None,
        "verdicts": [verdict.as_json() for verdict in list_verdicts(connection, version_id)],
        "lost_styles": lost_styles(connection, champion(connection), version),
        "provenance": provenance,
    }


def _overview(row: Row[Any]) -> Overview:
    return Overview(**row._asdict() | {"state": VersionState(row.state)})
