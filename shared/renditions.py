"""Renditions: output files, one row and one object each, shared by identical jobs of a merchant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

PIPELINE_VERSION = 4
"""Raise when the same key would give other pixels: renditions of before are then made anew."""


@dataclass(frozen=True, order=True)
class RenditionKey:
    """Everything the bytes of a rendition depend on, within a merchant."""

    source_sha256: str
    look_sha256: str
    trunk_sha256: str
    preset: str


@dataclass(frozen=True)
class NewRendition:
    """A rendition whose object has been put."""

    key: RenditionKey
    object_key: str
    sha256: str
    bytes: int
    width: int
    height: int


KEY_COLUMNS = "source_sha256, look_sha256, trunk_sha256, preset"
KEY_ARRAYS = """CAST(:source_sha256 AS text[]), CAST(:look_sha256 AS text[]), CAST(:trunk_sha256 AS text[]),
    CAST(:preset AS text[])"""

# Key by key through the index, whatever the planner believes: a table that has just been empty has no statistics.
FIND = f"""
SELECT r.id, {KEY_COLUMNS}
FROM unnest({KEY_ARRAYS}) AS k ({KEY_COLUMNS})
CROSS JOIN LATERAL (
    SELECT r.id FROM renditions r
    WHERE r.merchant_id = :merchant AND r.source_sha256 = k.source_sha256 AND r.look_sha256 = k.look_sha256
      AND r.trunk_sha256 = k.trunk_sha256 AND r.preset = k.preset AND r.pipeline_version = :version
    LIMIT 1 {{lock}}
) r
"""


def _arrays(keys: Collection[RenditionKey]) -> dict[str, list[str]]:
    return {name: [getattr(key, name) for key in keys] for name in RenditionKey.__dataclass_fields__}


def _by_key(rows: Iterable[Row[Any]]) -> dict[RenditionKey, int]:
    return {RenditionKey(r.source_sha256, r.look_sha256, r.trunk_sha256, r.preset): r.id for r in rows}


def find_renditions(connection: Connection, merchant: int, keys: Collection[RenditionKey]) -> dict[RenditionKey, int]:
    """Return the ids of the renditions that exist."""
    rows = connection.execute(
        text(FIND.format(lock="")), {"merchant": merchant, "version": PIPELINE_VERSION} | _arrays(keys)
    )
    return _by_key(rows)


def hold_renditions(connection: Connection, merchant: int, keys: Collection[RenditionKey]) -> dict[RenditionKey, int]:
    """Return the ids of the renditions that exist, locked against deletion until the transaction ends.

    Locked in the order of their keys, so nobody deadlocks.
    """
    rows = connection.execute(
        text(FIND.format(lock="FOR KEY SHARE")),
        {"merchant": merchant, "version": PIPELINE_VERSION} | _arrays(sorted(keys)),
    )
    return _by_key(rows)


def add_renditions(connection: Connection, merchant: int, new: Collection[NewRendition]) -> dict[RenditionKey, int]:
    """Insert renditions; where an identical one exists it stays. Return the ids of those inserted.

    Keys are sorted, so nobody deadlocks.
    """
    if not new:
        return {}
    rows = connection.execute(
        text(f"""
        INSERT INTO renditions (merchant_id, pipeline_version, {KEY_COLUMNS}, object_key, sha256, bytes, width, height)
        SELECT :merchant, :version, new.*
        FROM unnest({KEY_ARRAYS}, CAST(:object_key AS text[]), CAST(:sha256 AS text[]), CAST(:bytes AS bigint[]),
                    CAST(:width AS int[]), CAST(:height AS int[]))
             AS new ({KEY_COLUMNS}, object_key, sha256, bytes, width, height)
        ORDER BY {KEY_COLUMNS}
        ON CONFLICT DO NOTHING
        RETURNING id, {KEY_COLUMNS}
        """),
        {"merchant": merchant, "version": PIPELINE_VERSION}
        | _arrays([rendition.key for rendition in new])
        | {
            name: [getattr(rendition, name) for rendition in new]
            for name in ("object_key", "sha256", "bytes", "width", "height")
        },
    )
    return _by_key(rows)


def link_jobs(connection: Connection, batch_id: UUID, links: Mapping[tuple[int, str], int]) -> None:
    """Record which rendition a job made or reused: (ordinal, preset) → rendition id."""
    if not links:
        return
    connection.execute(
        text("""
        INSERT INTO job_renditions (batch_id, ordinal, preset, rendition_id)
        SELECT :batch, * FROM unnest(CAST(:ordinals AS int[]), CAST(:presets AS text[]), CAST(:ids AS bigint[]))
        ON CONFLICT (batch_id, ordinal, preset) DO UPDATE SET rendition_id = excluded.rendition_id
        """),
        {
            "batch": batch_id,
            "ordinals": [ordinal for ordinal, _ in links],
            "presets": [preset for _, preset in links],
            "ids": list(links.values()),
        },
    )
