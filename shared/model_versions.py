"""Model versions: immutable trunks, one of which is the champion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from shared.database import Lock, lock, transaction
from shared.errors import NotFound
from shared.store import ObjectStore
from shared.styles import Style, StyleRow, add_style, add_style_row

BUILT_IN = Path(__file__).resolve().parent / "checkpoint"
"""The trained checkpoint that comes with the project, so that the first run needs no download."""


@dataclass(frozen=True)
class ModelVersion:
    """A trunk: where it is stored and the hash that names it."""

    id: int
    trunk_sha256: str
    object_key: str
    state: str


def champion(connection: Connection) -> ModelVersion:
    """Return the version that new batches are pinned to. Raises NotFound before one is installed."""
    row = connection.execute(
        text("SELECT id, trunk_sha256, object_key, state FROM model_versions WHERE state = 'champion'")
    ).one_or_none()
    if row is None:
        raise NotFound("no model version is installed: run `atelier db upgrade`")
    return ModelVersion(*row)


def get_version(connection: Connection, version_id: int) -> ModelVersion:
    """Return a version by its id."""
    row = connection.execute(
        text("SELECT id, trunk_sha256, object_key, state FROM model_versions WHERE id = :id"),
        {"id": version_id},
    ).one()
    return ModelVersion(*row)


def install_built_in(engine: Engine, store: ObjectStore, folder: Path = BUILT_IN) -> bool:
    """Install the built-in checkpoint unless it is there already; say whether that was done.

    It becomes the champion where there is none, or where the champion came with an earlier release. One
    that an admin promoted stays. The objects are put before the rows that name them, so that a row never
    points at nothing.
    """
    document = json.loads((folder / "checkpoint.json").read_text())
    trunk = str(document["trunk_sha256"])
    with transaction(engine) as connection:
        if _is_installed(connection, trunk, [entry["row_sha256"] for entry in document["styles"]]):
            return False
    trunk_key = f"models/{trunk}.safetensors"
    store.put(trunk_key, (folder / "trunk.safetensors").read_bytes())
    rows = []
    for entry in document["styles"]:
        data = (folder / "styles" / f"{entry['name']}.safetensors").read_bytes()
        digest = sha256(data).hexdigest()
        key = f"styles/{digest}.safetensors"
        store.put(key, data)
        style = Style(*(entry[name] for name in ("name", "title", "artist", "year", "licence")))
        rows.append((style, StyleRow(style.name, digest, key)))
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        _add_version(connection, trunk, trunk_key, document["provenance"])
        for style, row in rows:
            add_style_row(connection, add_style(connection, style), trunk, row)
    return True


def _is_installed(connection: Connection, trunk: str, rows: Sequence[str]) -> bool:
    """Whether a trunk and all these rows of it are known."""
    found = connection.execute(
        text("""
        SELECT EXISTS (SELECT 1 FROM model_versions WHERE trunk_sha256 = :trunk)
           AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:rows AS text[])) AS wanted (sha256)
                           WHERE wanted.sha256 NOT IN (SELECT sha256 FROM style_rows WHERE trunk_sha256 = :trunk))
        """),
        {"trunk": trunk, "rows": list(rows)},
    )
    return bool(found.scalar_one())


def _add_version(connection: Connection, trunk: str, object_key: str, provenance: Mapping[str, object]) -> None:
    """Record the built-in trunk; it succeeds an earlier built-in champion, or none."""
    connection.execute(
        text("""
        UPDATE model_versions SET state = 'retired'
        WHERE state = 'champion' AND trunk_sha256 <> :trunk AND (provenance ->> 'built_in')::boolean
          AND NOT EXISTS (SELECT 1 FROM model_versions WHERE trunk_sha256 = :trunk)
        """),
        {"trunk": trunk},
    )
    connection.execute(
        text("""
        INSERT INTO model_versions (trunk_sha256, object_key, state, provenance)
        SELECT :trunk, :key,
               CASE WHEN EXISTS (SELECT 1 FROM model_versions WHERE state = 'champion')
                    THEN 'candidate' ELSE 'champion' END, CAST(:provenance AS jsonb)
        ON CONFLICT (trunk_sha256) DO NOTHING
        """),
        {"trunk": trunk, "key": object_key, "provenance": json.dumps(dict(provenance) | {"built_in": True})},
    )
