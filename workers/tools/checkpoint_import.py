"""Import the checkpoint of a training run as a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from sqlalchemy import Engine

from shared.database import Lock, lock, transaction
from shared.errors import UsageError
from shared.merchants import audit
from shared.merchants.actors import Actor
from shared.models.styles import Style, add_style, add_style_row, check_style_name
from shared.models.versions import ModelVersion, add_candidate, find_version, put_row, version_of
from shared.store import ObjectStore
from workers.model.checkpoint import BadCheckpoint, Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.tiles import paint
from workers.runtime.loaded_trunks import KEPT_BYTES

TRIAL_PX = 48


@dataclass(frozen=True)
class Imported:
    """The version, whether it is new here, and the names of the styles that came with it."""

    version: ModelVersion
    is_new: bool
    styles: tuple[str, ...]


def import_checkpoint(engine: Engine, store: ObjectStore, actor: Actor, folder: Path, reason: str) -> Imported:
    """Verify a checkpoint, store its files, and record it as a candidate with its styles, which are public.

    A known version keeps its state; missing files and vectors of further styles are added.
    Raises BadCheckpoint or UsageError, and NotAllowed for a merchant's key; then nothing changes.
    """
    actor.require_admin()
    checkpoint = read_checkpoint(folder)
    trunk = checkpoint.trunk_sha256
    key = f"models/{trunk}.safetensors"
    store.put(key, checkpoint.trunk)
    rows = {name: put_row(store, name, data) for name, data in checkpoint.rows.items()}
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        is_new = find_version(connection, trunk) is None
        number = add_candidate(connection, trunk, key, checkpoint.provenance)
        for source in checkpoint.styles:
            style = Style(
                source.name, source.title or source.name, source.artist, source.year, source.licence, source.monochrome
            )
            add_style_row(connection, add_style(connection, style), trunk, rows[source.name])
        details = {"version": number, "trunk_sha256": trunk, "reason": reason}
        audit.record(connection, actor.name, "models import", None, details)
        return Imported(version_of(connection, number), is_new, tuple(rows))


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint and check that it can paint. Raises UsageError if there is none, and BadCheckpoint."""
    trunk = folder / "trunk.safetensors"
    if not (folder / "checkpoint.json").is_file() or not trunk.is_file():
        raise UsageError(f"{folder} is not a checkpoint: give the folder RUN/checkpoint that `atelier train` wrote")
    if trunk.stat().st_size > KEPT_BYTES:
        raise BadCheckpoint(f"{trunk} is larger than the workers' limit of {KEPT_BYTES // 2**20} MiB")
    checkpoint = Checkpoint.load(folder)
    require_sound(checkpoint)
    return checkpoint


def require_sound(checkpoint: Checkpoint) -> None:
    """Load trunk and vectors, and paint a little in every style. Raises BadCheckpoint, or UsageError for a bad name."""
    generator = trunk_from_bytes(checkpoint.trunk)
    if generator.architecture != checkpoint.architecture:
        raise BadCheckpoint(
            f"the trunk has the architecture {generator.architecture}, but checkpoint.json says "
            f"{checkpoint.architecture}"
        )
    if not checkpoint.styles:
        raise BadCheckpoint("the checkpoint has no style to paint with")
    if not isinstance(checkpoint.provenance, dict):
        raise BadCheckpoint("the checkpoint's provenance is not an object")
    photo = torch.linspace(0, 1, 3 * TRIAL_PX**2).reshape(1, 3, TRIAL_PX, TRIAL_PX)
    for name, data in checkpoint.rows.items():
        check_style_name(name)
        row = row_from_bytes(data)
        if len(row) != generator.architecture.row_size:
            raise BadCheckpoint(
                f"the vector of {name} has {len(row)} numbers instead of {generator.architecture.row_size}"
            )
        with torch.inference_mode():
            if not paint(generator, photo, row[None]).isfinite().all():
                raise BadCheckpoint(
                    f"the trunk paints no finite values in {name}: its weights are damaged or have diverged"
                )
