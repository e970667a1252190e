"""Renditions: output files, one row and one object each, shared by identical jobs of a merchant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import Connection, text

PIPELINE_VERSION = 3
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
KEY_ARRAYS = """unnest(CAST(:source_sha256 AS text[]), CAST(:look_sha256 AS text[]),
    CAST(:trunk_sha256 AS text[]), CAST(:preset AS text[])) AS k (source_sha256, look_sha256, trunk_sha256, preset)"""


def _arrays(keys: Collection[RenditionKey]) -> dict[str, list[str]]:
    return {name: [getattr(key, name) for key in keys] for name in RenditionKey.__dataclass_fields__}


def find_renditions(connection: Connection, merchant: int, keys: Collection[RenditionKey]) -> dict[RenditionKey, int]:
    """Return the ids of the renditions that exist, locked against deletion until the transaction ends."""
    rows = connection.execute(
        text(f"""
        SELECT r.id, r.source_sha256, r.look_sha256, r.trunk_sha256, r.preset
        FROM {KEY_ARRAYS} JOIN renditions r USING ({KEY_COLUMNS})
        WHERE r.merchant_id = :merchant AND r.pipeline_version = :version
        ORDER BY r.id FOR KEY SHARE OF r
        """),
        {"merchant": merchant, "version": PIPELINE_VERSION} | _arrays(keys),
    )
    return {RenditionKey(r.source_sha256, r.look_sha256, r.trunk_sha256, r.preset): r.id for r in rows}


def add_renditions(connection: Connection, merchant: int, new: Collection[NewRendition]) -> None:
    """Insert renditions; where an identical one exists it stays. Keys are sorted, so nobody deadlocks."""
    for rendition in sorted(new, key=lambda one: one.key):
        values = asdict(rendition)
        key = values.pop("key")
        connection.execute(
            text(f"""
            INSERT INTO renditions (merchant_id, {KEY_COLUMNS}, pipeline_version, object_key, sha256, bytes,
                                    width, height)
            VALUES (:merchant, :source_sha256, :look_sha256, :trunk_sha256, :preset, :version, :object_key,
                    :sha256, :bytes, :width, :height)
            ON CONFLICT DO NOTHING
            """),
            {"merchant": merchant, "version": PIPELINE_VERSION} | key | values,
        )


def link_jobs(connection: Connection, batch_id: UUID, links: Mapping[tuple[int, str], int]) -> None:
    """Record which rendition a job made or reused: (ordinal, preset) → rendition id."""
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
