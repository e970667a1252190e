"""Export styles to files, and import verified files.

A learnt style is a vector file, a procedural one JSON as in ``shared/checkpoint/procedural.json``: its labels and its
``definition``.
"""

from __future__ import annotations

import json
from pathlib import Path

from shared.context import Session
from shared.errors import UsageError
from shared.merchants.actors import Actor, owning
from shared.merchants.scope import styles_scope
from shared.models.styles import (
    DEFINITION_SUFFIX,
    Style,
    check_style_name,
    list_styles,
    require_styles,
    style_rows,
)
from shared.models.versions import NewStyle, VersionState, champion, find_version, install_definition, install_style
from workers.images.procedural.definition import effect_from_bytes
from workers.images.procedural.tones import BadStyle
from workers.model.checkpoint import BadCheckpoint, row_from_bytes, row_to_bytes, trunk_from_bytes
from workers.model.row_file import MAX_BYTES, RowLabel, read_row_file, row_file
from workers.styling.context import verified_object


def export_style(session: Session, name: str, merchant: str | None, out: Path) -> RowLabel:
    """Write a style that a merchant may use to a file. Raises UnknownStyle, UsageError.

    The label of a procedural style names no trunk.
    """
    with styles_scope(session.engine, merchant) as (connection, merchant_id):
        trunk = champion(connection).trunk_sha256
        known = style_rows(connection, merchant_id, trunk)
        require_styles([name], known)
        (style,) = (listed for listed in list_styles(connection, merchant_id, trunk) if listed.name == name)
    stored = verified_object(session.store, known[name].object_key, known[name].sha256)
    if known[name].is_procedural:
        label = _label(style, "")
        data = json.dumps(_texts(style) | {"definition": json.loads(stored)}, indent=1, ensure_ascii=False).encode()
    else:
        label = _label(style, trunk)
        data = row_file(row_from_bytes(stored), label)
    try:
        with out.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise UsageError(f"--out {out} exists already: choose another file") from None
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}") from error
    return label


def import_style(session: Session, actor: Actor, file: Path, name: str | None) -> tuple[RowLabel, bool]:
    """Import a style file, optionally under another name; return whether the champion can paint with it.

    It is the actor's merchant's own, or public where the actor names none.
    Raises BadCheckpoint or BadStyle for a damaged or foreign file, Conflict if the name is taken; then nothing
    changes.
    """
    data = _read(file)
    if file.suffix.lower() == DEFINITION_SUFFIX:
        return _import_definition(session, actor, data, name), True
    row, label = read_row_file(data)
    style = Style(name or label.name, label.title, label.artist, label.year, label.licence)
    check_style_name(style.name)
    with owning(session.engine, actor) as (connection, mine):
        version = find_version(connection, label.trunk_sha256)
    if version is None:
        raise BadCheckpoint(
            f"{file} was learnt on another trunk ({label.trunk_sha256[:12]}…), which is not installed here: "
            "learn the style again with `atelier styles add`"
        )
    trunk = trunk_from_bytes(verified_object(session.store, version.object_key, version.trunk_sha256))
    if len(row) != trunk.architecture.row_size:
        raise BadCheckpoint(f"{file} contains {len(row)} numbers instead of {trunk.architecture.row_size}")
    new = NewStyle(style, version.trunk_sha256, row_to_bytes(row), mine)
    install_style(session.engine, session.store, actor, new, what="styles import")
    return _label(style, version.trunk_sha256), version.state == VersionState.CHAMPION


def _import_definition(session: Session, actor: Actor, data: bytes, name: str | None) -> RowLabel:
    try:
        entry = json.loads(data)
        labels = {field: str(entry.get(field, "")) for field in ("name", "title", "artist", "year", "licence")}
        definition = json.dumps(entry["definition"], sort_keys=True).encode()
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise BadStyle(f"this is not a procedural style as `styles export` writes it: {error!r}") from error
    effect_from_bytes(definition)
    style = Style(name or labels["name"], labels["title"], labels["artist"], labels["year"], labels["licence"])
    check_style_name(style.name)
    install_definition(session.engine, session.store, actor, style, definition, what="styles import")
    return _label(style, "")


def _texts(style: Style) -> dict[str, str]:
    """Return what a style file says of its style."""
    return {field: getattr(style, field) for field in ("name", "title", "artist", "year", "licence")}


def _label(style: Style, trunk_sha256: str) -> RowLabel:
    return RowLabel(**_texts(style), trunk_sha256=trunk_sha256)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise BadCheckpoint(f"{file} is too large for a style vector")
    return data
