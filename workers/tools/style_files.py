"""Export style vectors to files, and import verified files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from shared.context import Session
from shared.errors import UsageError
from shared.merchants.scope import styles_scope
from shared.models.styles import Style, check_style_name, list_styles, require_styles, style_rows
from shared.models.versions import NewStyle, VersionState, champion, find_version, install_style
from workers.model.checkpoint import BadCheckpoint, row_from_bytes, row_to_bytes, trunk_from_bytes
from workers.model.row_file import MAX_BYTES, RowLabel, read_row_file, row_file
from workers.styling.context import verified_object


def export_style(session: Session, name: str, merchant: str | None, out: Path) -> RowLabel:
    """Write the current vector of a style that a merchant may use to a file. Raises UnknownStyle, UsageError."""
    with styles_scope(session.engine, merchant) as (connection, merchant_id):
        trunk = champion(connection).trunk_sha256
        known = style_rows(connection, merchant_id, trunk)
        require_styles([name], known)
        (style,) = (listed for listed in list_styles(connection, merchant_id, trunk) if listed.name == name)
    row = row_from_bytes(verified_object(session.store, known[name].object_key, known[name].sha256))
    label = RowLabel(**asdict(style), trunk_sha256=trunk)
    try:
        with out.open("xb") as file:
            file.write(row_file(row, label))
    except FileExistsError:
        raise UsageError(f"--out {out} exists already: choose another file") from None
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}") from error
    return label


def import_style(session: Session, file: Path, merchant: str | None, name: str | None) -> tuple[RowLabel, bool]:
    """Import a style file, optionally under another name; return whether the champion is its trunk.

    Raises BadCheckpoint for a damaged or foreign file, Conflict if the name is taken; then nothing changes.
    """
    row, label = read_row_file(_read(file))
    style = Style(name or label.name, label.title, label.artist, label.year, label.licence)
    check_style_name(style.name)
    with styles_scope(session.engine, merchant) as (connection, mine):
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
    install_style(session.engine, session.store, new, what="styles import")
    return RowLabel(**asdict(style), trunk_sha256=version.trunk_sha256), version.state == VersionState.CHAMPION


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise BadCheckpoint(f"{file} is too large for a style vector")
    return data
