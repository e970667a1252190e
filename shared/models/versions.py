"""Model versions: immutable trunks, one of which is the champion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, Row, text

from shared.database import Lock, lock, transaction
from shared.errors import NotFound
from shared.merchants import audit
from shared.merchants.actors import Actor, owning
from shared.merchants.merchants import require_kept
from shared.models.styles import (
    DEFINITION_SUFFIX,
    Style,
    StyleRow,
    add_definition,
    add_style,
    add_style_row,
    read_definitions,
    require_free,
    take_over_definitions,
)
from shared.store import ObjectStore

BUILT_IN = Path(__file__).resolve().parents[1] / "checkpoint"
"""Trained checkpoint that comes with the project, so that the first run needs no download."""


class VersionState(StrEnum):
    """What a model version is used for."""

    CANDIDATE = "candidate"
    """Nothing yet, or for a share of the new batches: it may be promoted."""
    CHAMPION = "champion"
    """For new batches. There is one."""
    RETIRED = "retired"
    """For batches that are pinned to it."""


class ChangeKind(StrEnum):
    """What happened to a version, as the history of promotions has it."""

    PROMOTE = "promote"
    """It became the champion."""
    ROLLBACK = "rollback"
    """It became the champion again, in place of one after it."""
    RETIRE = "retire"
    """It is no candidate any more."""
    CANARY = "canary"
    """From then on a share of the new batches was pinned to it."""
    RETURN = "return"
    """From then on none was any more."""


@dataclass(frozen=True)
class ModelVersion:
    """Trunk: where it is stored, and the hash that identifies it."""

    id: int
    trunk_sha256: str
    object_key: str
    state: VersionState

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """Build from a row of id, trunk, key and state."""
        return cls(row.id, row.trunk_sha256, row.object_key, VersionState(row.state))


def champion(connection: Connection) -> ModelVersion:
    """Return the version that new batches are pinned to. Raises NotFound before one is installed."""
    row = connection.execute(
        text("SELECT id, trunk_sha256, object_key, state FROM model_versions WHERE state = 'champion'")
    ).one_or_none()
    if row is None:
        raise NotFound("no model version is installed: run `atelier db upgrade`")
    return ModelVersion.from_row(row)


def version_of(connection: Connection, version_id: int) -> ModelVersion:
    """Return a version by its id. Raises NotFound."""
    row = connection.execute(
        text("SELECT id, trunk_sha256, object_key, state FROM model_versions WHERE id = :id"), {"id": version_id}
    ).one_or_none()
    if row is None:
        raise NotFound(f"no model version {version_id}: `atelier models list` lists them")
    return ModelVersion.from_row(row)


def find_version(connection: Connection, trunk_sha256: str) -> ModelVersion | None:
    """Return the version of a trunk, or None if the trunk is unknown."""
    row = connection.execute(
        text("SELECT id, trunk_sha256, object_key, state FROM model_versions WHERE trunk_sha256 = :trunk"),
        {"trunk": trunk_sha256},
    ).one_or_none()
    return None if row is None else ModelVersion.from_row(row)


def install_built_in(engine: Engine, store: ObjectStore, folder: Path = BUILT_IN) -> bool:
    """Install the built-in checkpoint if it is missing; return whether it was installed.

    It becomes the champion if there is none, or if the champion came with an earlier release. A champion
    stays if an admin promoted it, if merchants' own styles were learnt on it, which the built-in one does
    not know, or if a canary is compared with it. The objects are put before the rows that name them, so that
    no row names a missing object.
    """
    document = json.loads((folder / "checkpoint.json").read_text())
    definitions = read_definitions(folder / "procedural.json")
    trunk = str(document["trunk_sha256"])
    hashes = [entry["row_sha256"] for entry in document["styles"]]
    hashes += [sha256(definition).hexdigest() for _, definition in definitions]
    with transaction(engine) as connection:
        if _is_installed(connection, trunk, hashes):
            return False
    trunk_key = f"models/{trunk}.safetensors"
    store.put(trunk_key, (folder / "trunk.safetensors").read_bytes())
    rows = []
    for entry in document["styles"]:
        data = (folder / "styles" / f"{entry['name']}.safetensors").read_bytes()
        texts = (entry[name] for name in ("name", "title", "artist", "year", "licence"))
        style = replace(Style(*texts), is_monochrome=entry.get("monochrome", False))
        rows.append((style, put_row(store, style.name, data)))
    defined = [(style, put_row(store, style.name, data, DEFINITION_SUFFIX)) for style, data in definitions]
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        _add_version(connection, trunk, trunk_key, document["provenance"])
        for style, row in rows:
            add_style_row(connection, add_style(connection, style), trunk, row)
        for style, row in defined:
            add_definition(connection, add_style(connection, style), row)
    return True


@dataclass(frozen=True)
class NewStyle:
    """Style with its vector for a trunk, owned by one merchant or public (None).

    ``renews`` allows a newer vector of an existing style. Stored vectors never change.
    """

    style: Style
    trunk_sha256: str
    row: bytes
    merchant: int | None = None
    renews: bool = False


def install_style(engine: Engine, store: ObjectStore, actor: Actor, new: NewStyle, *, what: str) -> StyleRow:
    """Store a vector and make its style visible. ``actor`` and ``what``, the command, are for the audit log.

    Raises Conflict if the name is taken; then nothing changes.
    """
    row = put_row(store, new.style.name, new.row)
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        if not new.renews:
            require_free(connection, new.style.name, new.merchant)
        style_id = add_style(connection, new.style, merchant=new.merchant)
        add_style_row(connection, style_id, new.trunk_sha256, row)
        if new.merchant is not None:
            require_kept(connection, new.merchant)
        audit.record(connection, actor.name, what, new.merchant, {"style": new.style.name, "sha256": row.sha256})
    return row


def install_definition(
    engine: Engine, store: ObjectStore, actor: Actor, style: Style, definition: bytes, *, what: str
) -> StyleRow:
    """Store the definition of a new procedural style for every trunk. ``what`` is the command, for the audit log.

    It is the actor's merchant's own, or public where the actor names none.

    Raises Conflict if the name is taken; then nothing changes.
    """
    with owning(engine, actor) as (connection, merchant):
        require_free(connection, style.name, merchant)
    row = put_row(store, style.name, definition, DEFINITION_SUFFIX)
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        require_free(connection, style.name, merchant)
        add_definition(connection, add_style(connection, style, merchant=merchant), row)
        if merchant is not None:
            require_kept(connection, merchant)
        details = {"style": style.name, "sha256": row.sha256}
        audit.record(connection, actor.name, what, merchant, details)
    return row


def add_candidate(connection: Connection, trunk: str, key: str, provenance: Mapping[str, object]) -> int:
    """Record a stored trunk as a candidate; return its id. A known trunk keeps its state."""
    connection.execute(
        text("""
        INSERT INTO model_versions (trunk_sha256, object_key, state, provenance)
        VALUES (:trunk, :key, 'candidate', CAST(:provenance AS jsonb)) ON CONFLICT (trunk_sha256) DO NOTHING
        """),
        {"trunk": trunk, "key": key, "provenance": json.dumps(dict(provenance))},
    )
    take_over_definitions(connection, trunk)
    version_id = connection.execute(text("SELECT id FROM model_versions WHERE trunk_sha256 = :trunk"), {"trunk": trunk})
    return int(version_id.scalar_one())


@dataclass(frozen=True)
class Change:
    """Entry of the promotion history: what happens to a version (``kind``), who does it, and why."""

    kind: ChangeKind
    who: str
    reason: str
    verdict_id: int | None = None


def set_champion(connection: Connection, version_id: int, change: Change) -> None:
    """Make a version the champion and retire the previous one. The caller holds ``Lock.INSTALL``."""
    previous = connection.execute(
        text("UPDATE model_versions SET state = 'retired' WHERE state = 'champion' RETURNING id")
    ).scalar_one_or_none()
    connection.execute(text("UPDATE model_versions SET state = 'champion' WHERE id = :id"), {"id": version_id})
    note_change(connection, version_id, previous, change)


def note_change(connection: Connection, version_id: int, champion_id: int | None, change: Change) -> None:
    """Append to the history; ``champion_id`` was the champion until then."""
    connection.execute(
        text("""
        INSERT INTO promotions (kind, version_id, previous_id, verdict_id, who, reason)
        VALUES (:kind, :version, :previous, :verdict_id, :who, :reason)
        """),
        change.__dict__ | {"version": version_id, "previous": champion_id},
    )


def put_row(store: ObjectStore, name: str, data: bytes, suffix: str = ".safetensors") -> StyleRow:
    """Store the bytes of a style under their hash. The suffix says what they are."""
    digest = sha256(data).hexdigest()
    key = f"styles/{digest}{suffix}"
    store.put(key, data)
    return StyleRow(name, digest, key)


def _is_installed(connection: Connection, trunk: str, rows: Sequence[str]) -> bool:
    """Return whether a trunk and all these vectors of it are recorded."""
    row = connection.execute(
        text("""
        SELECT EXISTS (SELECT 1 FROM model_versions WHERE trunk_sha256 = :trunk)
           AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:rows AS text[])) AS wanted (sha256)
                           WHERE wanted.sha256 NOT IN (SELECT sha256 FROM style_rows WHERE trunk_sha256 = :trunk))
        """),
        {"trunk": trunk, "rows": list(rows)},
    )
    return bool(row.scalar_one())


def _add_version(connection: Connection, trunk: str, object_key: str, provenance: Mapping[str, object]) -> None:
    """Record the built-in trunk. It replaces an earlier built-in champion, or none."""
    if find_version(connection, trunk) is not None:
        return
    version = add_candidate(connection, trunk, object_key, dict(provenance) | {"built_in": True})
    stays = connection.execute(
        text("""
        SELECT EXISTS (SELECT FROM model_versions v WHERE v.state = 'champion'
            AND (NOT coalesce((v.provenance ->> 'built_in')::boolean, false)
                 OR EXISTS (SELECT FROM canaries WHERE state = 'running')
                 OR EXISTS (SELECT FROM style_rows r JOIN styles s ON s.id = r.style_id
                            WHERE r.trunk_sha256 = v.trunk_sha256 AND s.merchant_id IS NOT NULL)))
        """)
    ).scalar_one()
    if not stays:
        set_champion(connection, version, Change(ChangeKind.PROMOTE, audit.operator(), "came with the release"))
