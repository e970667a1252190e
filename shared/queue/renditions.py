"""Renditions: output files, one row and one object each, shared by identical jobs of a merchant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared.preset_files import label_of
from shared.quality.gate import Quality
from shared.quality.rule_report import RuleReport
from shared.recordset import int_array, recordset

PIPELINE_VERSION = 6
"""Increase it when the same key would give other pixels: earlier renditions are then made again."""


@dataclass(frozen=True, order=True)
class RenditionKey:
    """Everything that determines the bytes of a rendition, within a merchant.

    ``preset`` is a plain format, or names a preset's file with the hash of the preset: see ``PresetFile.key``.
    """

    source_sha256: str
    look_sha256: str
    trunk_sha256: str
    preset: str

    @property
    def label(self) -> str:
        """Return the name of the file among those of a job."""
        return label_of(self.preset)


@dataclass(frozen=True)
class NewRendition:
    """Rendition whose object has been put."""

    key: RenditionKey
    object_key: str
    sha256: str
    bytes: int
    width: int
    height: int
    quality: Quality | None = None
    report: RuleReport | None = None


def rendition_object_key(merchant: int, sha256: str, extension: str) -> str:
    """Return the key of a rendition's object, which ends in the hash of its bytes and belongs to one merchant."""
    return f"renditions/{merchant}/{sha256[:2]}/{sha256}{extension}"


KEY_COLUMNS = "source_sha256, look_sha256, trunk_sha256, preset"
KEY_TYPES = "source_sha256 text, look_sha256 text, trunk_sha256 text, preset text"

# Look up key by key through the index, whatever the planner believes: a table that was just empty has no statistics.
FIND = f"""
SELECT r.id, r.object_key, {KEY_COLUMNS}
FROM json_to_recordset(CAST(:keys AS json)) AS k ({KEY_TYPES})
CROSS JOIN LATERAL (
    SELECT r.id, r.object_key FROM renditions r
    WHERE r.merchant_id = :merchant AND r.source_sha256 = k.source_sha256 AND r.look_sha256 = k.look_sha256
      AND r.trunk_sha256 = k.trunk_sha256 AND r.preset = k.preset AND r.pipeline_version = :version
    LIMIT 1 {{lock}}
) r
"""


def _parameters(merchant: int, keys: Iterable[RenditionKey]) -> dict[str, Any]:
    rows = recordset(tuple(RenditionKey.__dataclass_fields__), map(_values, keys))
    return {"merchant": merchant, "version": PIPELINE_VERSION, "keys": rows}


def _values(key: RenditionKey) -> tuple[str, str, str, str]:
    return key.source_sha256, key.look_sha256, key.trunk_sha256, key.preset


def _figures(new: NewRendition) -> dict[str, float] | None:
    return None if new.quality is None else new.quality.json


def _report(new: NewRendition) -> dict[str, Any] | None:
    return None if new.report is None else new.report.to_json()


def _by_key(rows: Iterable[Row[Any]]) -> dict[RenditionKey, int]:
    return {_key(row): row.id for row in rows}


def _key(row: Row[Any]) -> RenditionKey:
    return RenditionKey(row.source_sha256, row.look_sha256, row.trunk_sha256, row.preset)


def find_renditions(connection: Connection, merchant: int, keys: Collection[RenditionKey]) -> dict[RenditionKey, str]:
    """Return the keys of the objects of the renditions that exist."""
    rows = connection.execute(text(FIND.format(lock="")), _parameters(merchant, keys))
    return {_key(row): row.object_key for row in rows}


def lock_renditions(connection: Connection, merchant: int, keys: Collection[RenditionKey]) -> dict[RenditionKey, int]:
    """Return the ids of the renditions that exist, locked against deletion until the transaction ends.

    They are locked in the order of their keys, which prevents deadlocks.
    """
    return _by_key(connection.execute(text(FIND.format(lock="FOR KEY SHARE")), _parameters(merchant, sorted(keys))))


class AddedRenditions(NamedTuple):
    """Ids of renditions by key, and the keys of those that did not exist before."""

    ids: dict[RenditionKey, int]
    inserted: set[RenditionKey]


def add_renditions(connection: Connection, merchant: int, new: Collection[NewRendition]) -> AddedRenditions:
    """Insert renditions, or let existing ones name the new object; return what was written.

    The newest object wins, since it was just put, while the other's may be missing. Keys are sorted, which prevents
    deadlocks.
    """
    if not new:
        return AddedRenditions({}, set())
    unique = {one.key: one for one in new}.values()
    rows = connection.execute(
        text(f"""
        INSERT INTO renditions (merchant_id, pipeline_version, {KEY_COLUMNS}, object_key, sha256, bytes, width, height,
                                quality, report)
        SELECT :merchant, :version, new.*
        FROM json_to_recordset(CAST(:rows AS json))
             AS new ({KEY_TYPES}, object_key text, sha256 text, bytes bigint, width int, height int, quality jsonb,
                     report jsonb)
        ORDER BY {KEY_COLUMNS}
        ON CONFLICT (merchant_id, {KEY_COLUMNS}, pipeline_version) DO UPDATE SET
            object_key = excluded.object_key, sha256 = excluded.sha256, bytes = excluded.bytes, width = excluded.width,
            height = excluded.height, quality = excluded.quality, report = excluded.report
        WHERE renditions.object_key <> excluded.object_key
        RETURNING new.id, old.id IS NULL AS inserted, {KEY_COLUMNS}
        """),
        {
            "merchant": merchant,
            "version": PIPELINE_VERSION,
            "rows": recordset(  # each key once, since a page may contain the same image twice
                (
                    *RenditionKey.__dataclass_fields__,
                    "object_key",
                    "sha256",
                    "bytes",
                    "width",
                    "height",
                    "quality",
                    "report",
                ),
                (
                    (
                        *(*_values(one.key), one.object_key, one.sha256, one.bytes, one.width, one.height),
                        *(_figures(one), _report(one)),
                    )
                    for one in unique
                ),
            ),
        },
    ).all()
    return AddedRenditions(_by_key(rows), {_key(row) for row in rows if row.inserted})


def link_jobs(connection: Connection, batch_id: UUID, links: Mapping[tuple[int, str], int]) -> None:
    """Record the rendition that a job made or reused: (ordinal, label of its file) → rendition id."""
    if not links:
        return
    connection.execute(
        text("""
        INSERT INTO job_renditions (batch_id, ordinal, preset, rendition_id)
        SELECT :batch, * FROM json_to_recordset(CAST(:links AS json)) AS new (ordinal int, preset text, id bigint)
        ON CONFLICT (batch_id, ordinal, preset) DO UPDATE SET rendition_id = excluded.rendition_id
        """),
        {
            "batch": batch_id,
            "links": recordset(("ordinal", "preset", "id"), ((*of, rendition) for of, rendition in links.items())),
        },
    )


def count_unpublished(connection: Connection, batch_id: UUID, ordinals: Collection[int]) -> int:
    """Return how many renditions of these jobs break a rule of their preset."""
    count = connection.execute(
        text("""
        SELECT count(*) FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
        WHERE l.batch_id = :batch AND l.ordinal = ANY(CAST(:ordinals AS int[])) AND r.report ->> 'passed' = 'false'
        """),
        {"batch": batch_id, "ordinals": int_array(ordinals)},
    )
    return int(count.scalar_one())
