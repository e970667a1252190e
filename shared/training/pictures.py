"""The pictures that styles are learnt from, kept so that a style can be learnt anew for another trunk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from shared.errors import UsageError
from shared.store import ObjectStore
from shared.styles import DEFINITION_SUFFIX

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MOST_PICTURES = 20
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Pictured:
    """A style that may be trained. ``pictures`` are hashes; ``has_row``: for the trunk asked about."""

    id: int
    name: str
    title: str
    artist: str
    year: str
    licence: str
    pictures: tuple[str, ...]
    has_row: bool


def picture_key(sha256: str) -> str:
    """Return the key of a picture's object."""
    return f"pictures/{sha256}"


def pictured(connection: Connection, merchant: int | None, trunk_sha256: str) -> dict[str, Pictured]:
    """Return a merchant's own styles, or the public ones (None), by name; procedural ones are not learnt."""
    rows = connection.execute(
        text("""
        SELECT s.id, s.name, s.title, s.artist, s.year, s.licence, s.pictures, EXISTS (
            SELECT FROM style_rows r WHERE r.style_id = s.id AND r.trunk_sha256 = :trunk) AS has_row
        FROM styles s WHERE s.merchant_id IS NOT DISTINCT FROM :merchant
          AND NOT EXISTS (SELECT FROM style_rows r WHERE r.style_id = s.id AND r.object_key LIKE '%' || :suffix)
        ORDER BY s.name
        """),
        {"merchant": merchant, "trunk": trunk_sha256, "suffix": DEFINITION_SUFFIX},
    )
    return {row.name: Pictured(**row._asdict() | {"pictures": tuple(row.pictures)}) for row in rows}


def put_pictures(store: ObjectStore, paths: Sequence[Path]) -> list[str]:
    """Put pictures by their content; return the hashes. Raises UsageError for what cannot be read."""
    hashes = []
    for path in paths:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise UsageError(f"picture {path} has more than {MAX_BYTES >> 20} MiB: send a smaller one")
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"picture {path} cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(data).hexdigest()
        store.put(picture_key(digest), data)
        hashes.append(digest)
    return hashes


def keep_pictures(connection: Connection, style_id: int, hashes: Sequence[str]) -> None:
    """Note from which pictures a style is learnt; they replace those before."""
    connection.execute(
        text("UPDATE styles SET pictures = :hashes WHERE id = :id"), {"id": style_id, "hashes": list(hashes)}
    )


def find_pictures(folder: Path, names: Sequence[str]) -> Mapping[str, list[Path]]:
    """Find pictures of styles in a folder: ``NAME.jpg``, or ``NAME/`` with several; hyphens may be underscores.

    Raises UsageError where the folder is none, or names no style.
    """
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}: --pictures names one with pictures of styles")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        name = (path.name if path.is_dir() else path.stem).replace("_", "-").lower()
        if name not in names:
            continue
        own = sorted(path.iterdir()) if path.is_dir() else [path]
        if own := [one for one in own if one.suffix.lower() in SUFFIXES][:MOST_PICTURES]:
            found[name] = own
    if not found:
        raise UsageError(f"{folder} holds no picture of a style to train: name them NAME.jpg, or NAME/ for several")
    return found
