"""Store the pictures that styles are learnt from, so that a style can be learnt again for another trunk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from shared.errors import UsageError
from shared.models.styles import DEFINITION_SUFFIX
from shared.store import ObjectStore

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MOST_PICTURES = 20
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class StyleWithPictures:
    """Style that may be trained. ``pictures`` are hashes; ``has_row`` is true if it has a vector for the trunk."""

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


def styles_with_pictures(
    connection: Connection, merchant: int | None, trunk_sha256: str
) -> dict[str, StyleWithPictures]:
    """Return a merchant's own styles, or the public ones (None), by name. Procedural ones are not learnt."""
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
    return {row.name: StyleWithPictures(**row._asdict() | {"pictures": tuple(row.pictures)}) for row in rows}


def put_pictures(store: ObjectStore, paths: Sequence[Path]) -> list[str]:
    """Store pictures under their hashes; return the hashes. Raises UsageError for an unreadable picture."""
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
    """Record the pictures that a style is learnt from, replacing earlier ones."""
    connection.execute(
        text("UPDATE styles SET pictures = :hashes WHERE id = :id"), {"id": style_id, "hashes": list(hashes)}
    )


def find_pictures(folder: Path, names: Sequence[str]) -> Mapping[str, list[Path]]:
    """Find pictures of styles in a folder: ``NAME.jpg``, or ``NAME/`` with several; hyphens may be underscores.

    Raises UsageError if the folder is missing or has no pictures of the named styles.
    """
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}: give --pictures a folder with pictures of styles")
    pictures: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        name = (path.name if path.is_dir() else path.stem).replace("_", "-").lower()
        if name not in names:
            continue
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        if files := [file for file in files if file.suffix.lower() in SUFFIXES][:MOST_PICTURES]:
            pictures[name] = files
    if not pictures:
        raise UsageError(
            f"{folder} has no picture of a style to train: name pictures NAME.jpg, or put several into NAME/"
        )
    return pictures
