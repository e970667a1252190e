"""Styles, and their vectors for each trunk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, text

from shared.errors import Conflict, UnknownStyle, UsageError
from shared.suggestions import did_you_mean

DEFINITION_SUFFIX = ".json"
"""What the object of a procedural definition ends in."""

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True)
class Style:
    """Named artistic style as a merchant sees it.

    ``is_monochrome``  whether it is of one colour by intention, such as an ink drawing.
    """

    name: str
    title: str
    artist: str
    year: str
    licence: str
    is_monochrome: bool = False


@dataclass(frozen=True)
class StyleRow:
    """Location and hash of a style's parameters for one trunk: a style vector, or a procedural definition.

    ``is_monochrome``  as that of the style.
    """

    style: str
    sha256: str
    object_key: str
    is_monochrome: bool = False

    @property
    def pinned(self) -> dict[str, str]:
        """Return what a batch pins, as plain data. Kinds are left out: earlier releases, too, read what is pinned."""
        return {"style": self.style, "sha256": self.sha256, "object_key": self.object_key}

    @property
    def is_procedural(self) -> bool:
        """Whether the style is a rule with parameters, the same for every trunk, and needs no network."""
        return self.object_key.endswith(DEFINITION_SUFFIX)


# Styles that a merchant may use with a trunk: public ones and own ones, own ones first.
VISIBLE = """
SELECT DISTINCT ON (s.name) s.name, s.title, s.artist, s.year, s.licence, r.sha256, r.object_key,
       s.is_monochrome
FROM styles s JOIN style_rows r ON r.style_id = s.id
WHERE r.trunk_sha256 = :trunk AND (s.merchant_id IS NULL OR s.merchant_id = :merchant)
ORDER BY s.name, s.merchant_id NULLS LAST, r.id DESC
"""


def list_styles(connection: Connection, merchant: int | None, trunk_sha256: str) -> list[Style]:
    """Return the styles visible to a merchant, by name."""
    rows = connection.execute(text(VISIBLE), {"trunk": trunk_sha256, "merchant": merchant})
    return [Style(r.name, r.title, r.artist, r.year, r.licence, r.is_monochrome) for r in rows]


def style_rows(connection: Connection, merchant: int | None, trunk_sha256: str) -> dict[str, StyleRow]:
    """Return the current vector of every style visible to a merchant, by the style's name."""
    rows = connection.execute(text(VISIBLE), {"trunk": trunk_sha256, "merchant": merchant})
    return {r.name: StyleRow(r.name, r.sha256, r.object_key, r.is_monochrome) for r in rows}


def with_kinds(connection: Connection, merchant: int, pinned: Mapping[str, StyleRow]) -> dict[str, StyleRow]:
    """Return the rows that a merchant's batch pins with the kinds of their styles."""
    names = connection.execute(
        text("SELECT name FROM styles WHERE is_monochrome AND (merchant_id IS NULL OR merchant_id = :merchant)"),
        {"merchant": merchant},
    )
    monochrome = set(names.scalars())
    return {name: replace(row, is_monochrome=name in monochrome) for name, row in pinned.items()}


def learnt_rows(connection: Connection, merchant: int | None, trunk_sha256: str) -> dict[str, StyleRow]:
    """Return those of ``style_rows`` that are style vectors."""
    rows = style_rows(connection, merchant, trunk_sha256)
    return {name: row for name, row in rows.items() if not row.is_procedural}


def read_definitions(file: Path) -> list[tuple[Style, bytes]]:
    """Read procedural styles and their definitions, as the bytes that are stored; none where there is no file."""
    entries = json.loads(file.read_text()) if file.exists() else []
    return [
        (
            Style(*(entry[name] for name in ("name", "title", "artist", "year", "licence"))),
            json.dumps(entry["definition"], sort_keys=True).encode(),
        )
        for entry in entries
    ]


def require_styles(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise UnknownStyle for the first unknown name."""
    choices = sorted(known)
    for name in names:
        if name not in choices:
            meant = did_you_mean(name, choices)
            raise UnknownStyle(f"unknown style {name!r}{meant}; choose one of {', '.join(choices) or 'none'}")


def check_style_name(name: str) -> None:
    """Raise UsageError if a name is not valid for a style."""
    if not NAME.fullmatch(name):
        raise UsageError(f"style name {name!r}: use 1 to 64 lower-case letters, digits and dashes, as in great-wave")


def require_free(connection: Connection, name: str, merchant: int | None) -> None:
    """Raise Conflict if a name is taken among the public styles (merchant None) or among the merchant's own."""
    taken = connection.execute(
        text("SELECT 1 FROM styles WHERE name = :name AND merchant_id IS NOT DISTINCT FROM :merchant"),
        {"name": name, "merchant": merchant},
    ).first()
    if taken:
        raise Conflict(f"there is already a style {name!r}: choose another name")


def add_style(connection: Connection, style: Style, *, merchant: int | None = None) -> int:
    """Create or update a style; return its id. Empty fields do not change."""
    style_id = connection.execute(
        text("""
        INSERT INTO styles (merchant_id, name, title, artist, year, licence, is_monochrome)
        VALUES (:merchant, :name, :title, :artist, :year, :licence, :is_monochrome)
        ON CONFLICT ON CONSTRAINT uq_styles_name DO UPDATE
        SET title = coalesce(nullif(excluded.title, ''), styles.title),
            artist = coalesce(nullif(excluded.artist, ''), styles.artist),
            year = coalesce(nullif(excluded.year, ''), styles.year),
            licence = coalesce(nullif(excluded.licence, ''), styles.licence),
            is_monochrome = excluded.is_monochrome OR styles.is_monochrome
        RETURNING id
        """),
        {"merchant": merchant} | style.__dict__,
    )
    return int(style_id.scalar_one())


def add_style_row(connection: Connection, style_id: int, trunk_sha256: str, row: StyleRow) -> None:
    """Record a vector of a style for a trunk. Recording the same vector twice changes nothing."""
    connection.execute(
        text("""
        INSERT INTO style_rows (style_id, trunk_sha256, sha256, object_key)
        VALUES (:style_id, :trunk, :sha256, :object_key) ON CONFLICT DO NOTHING
        """),
        {"style_id": style_id, "trunk": trunk_sha256, "sha256": row.sha256, "object_key": row.object_key},
    )


def add_definition(connection: Connection, style_id: int, row: StyleRow) -> None:
    """Record a procedural definition as a style's current row for every trunk."""
    connection.execute(
        text("""
        INSERT INTO style_rows (style_id, trunk_sha256, sha256, object_key)
        SELECT :style_id, trunk_sha256, :sha256, :object_key FROM model_versions ON CONFLICT DO NOTHING
        """),
        {"style_id": style_id, "sha256": row.sha256, "object_key": row.object_key},
    )


def take_over_definitions(connection: Connection, trunk_sha256: str) -> None:
    """Record the current procedural definitions for a new trunk, too."""
    connection.execute(
        text("""
        INSERT INTO style_rows (style_id, trunk_sha256, sha256, object_key)
        SELECT DISTINCT ON (style_id) style_id, :trunk, sha256, object_key FROM style_rows
        WHERE object_key LIKE '%' || CAST(:suffix AS text) ORDER BY style_id, id DESC
        ON CONFLICT DO NOTHING
        """),
        {"trunk": trunk_sha256, "suffix": DEFINITION_SUFFIX},
    )
