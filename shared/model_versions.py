"""Model versions: immutable trunks, one of which is the champion."""

from __future__ import annotations

import json
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
    """Install the built-in checkpoint where there is no champion yet; say whether that was done.

    The objects are put before the rows that name them, so that a row never points at nothing.
    """
    with transaction(engine) as connection:
        if connection.execute(text("SELECT 1 FROM model_versions LIMIT 1")).first():
            return False
    document = json.loads((folder / "checkpoint.json").read_text())
    trunk_sha256 = document["trunk_sha256"]
    trunk_key = f"models/{trunk_sha256}.safetensors"
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
        if connection.execute(text("SELECT 1 FROM model_versions LIMIT 1")).first():
            return False
        connection.execute(
            text("""
            INSERT INTO model_versions (trunk_sha256, object_key, state, provenance)
            VALUES (:trunk, :key, 'champion', :provenance)
            """),
            {"trunk": trunk_sha256, "key": trunk_key, "provenance": json.dumps(document["provenance"])},
        )
        for style, row in rows:
            add_style_row(connection, add_style(connection, style), trunk_sha256, row)
    return True
