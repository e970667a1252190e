"""Pictures that a merchant has uploaded as backgrounds of looks.

A look names a picture; when it is accepted the name is replaced by the sha256 of the picture's bytes, so a name
that is given to another picture later changes no look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, text

from shared.background import Ground, parse_background
from shared.errors import NotFound, UsageError
from shared.look import Look


@dataclass(frozen=True)
class BackgroundPicture:
    """Picture under its name; ``added_at`` is None before it is stored."""

    name: str
    sha256: str
    width: int
    height: int
    added_at: datetime | None = None


def background_key(merchant: int, sha256: str) -> str:
    """Return the key of a merchant's picture. Equal bytes have the same key."""
    return f"backgrounds/{merchant}/{sha256}"


def require_name(name: str) -> None:
    """Raise UsageError if a name is not valid for a picture."""
    try:
        valid = name == name.strip() and not parse_background(f"picture:{name}").is_stored
    except UsageError:
        valid = False
    if not valid:
        raise UsageError(
            f"background name {name!r}: use 1 to 64 lower-case letters, digits and dashes, as in oak-table"
        )


def put_background(connection: Connection, merchant: int, picture: BackgroundPicture) -> None:
    """Record a picture under its name, in place of an earlier one of that name."""
    connection.execute(
        text("""
        INSERT INTO backgrounds (merchant_id, name, sha256, width, height)
        VALUES (:merchant, :name, :sha256, :width, :height)
        ON CONFLICT (merchant_id, name) DO UPDATE SET
            sha256 = excluded.sha256, width = excluded.width, height = excluded.height, added_at = clock_timestamp()
        """),
        {
            "merchant": merchant,
            "name": picture.name,
            "sha256": picture.sha256,
            "width": picture.width,
            "height": picture.height,
        },
    )


def list_backgrounds(connection: Connection, merchant: int) -> list[BackgroundPicture]:
    """Return a merchant's pictures by name."""
    rows = connection.execute(
        text("""
        SELECT name, sha256, width, height, added_at FROM backgrounds WHERE merchant_id = :merchant ORDER BY name
        """),
        {"merchant": merchant},
    )
    return [BackgroundPicture(row.name, row.sha256, row.width, row.height, row.added_at) for row in rows]


def remove_background(connection: Connection, merchant: int, name: str) -> None:
    """Forget a picture. Raises NotFound. The sweep of orphans deletes the object once no name leads to it."""
    removed = connection.execute(
        text("DELETE FROM backgrounds WHERE merchant_id = :merchant AND name = :name"),
        {"merchant": merchant, "name": name},
    )
    if not removed.rowcount:
        raise NotFound(f"no background {name!r}: `atelier backgrounds list` shows those there are")


def background_names(connection: Connection, merchant: int) -> dict[str, str]:
    """Return the sha256 of each of a merchant's pictures by its name."""
    return {picture.name: picture.sha256 for picture in list_backgrounds(connection, merchant)}


def settle_background(look: Look, pictures: Mapping[str, str]) -> Look:
    """Return a look that names its picture by sha256. Raises UsageError if the merchant has no such picture."""
    background = parse_background(look.background) if look.background else None
    if background is None or background.ground != Ground.PICTURE or background.picture in pictures.values():
        return look
    if background.picture not in pictures:
        choices = ", ".join(sorted(pictures)) or "none; add one with `atelier backgrounds add`"
        raise UsageError(
            f"unknown background picture {background.picture!r}; there are: {choices}", code="unknown_background"
        )
    return replace(look, background=f"picture:{pictures[background.picture]}")
