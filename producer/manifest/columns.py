"""Columns: which of the merchant's columns mean something, and what a row of them says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from producer.manifest.credentials import without_credentials
from producer.manifest.row import ManifestRow, shortened, storable
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError, UsageError
from shared.look import Look, parse_mix

# In order of preference; case does not matter, and space, "_" and "-" are one.
IMAGE_COLUMNS = ("image", "image url", "image link", "image src", "picture", "url", "path")
SKU_COLUMNS = ("sku", "variant sku", "id", "handle")
CATEGORY_COLUMNS = ("category", "product type", "product category", "google product category", "type")

COLUMN_LIMIT = 512
# An index row of Postgres ends at 2,704 bytes.
_SKU_LIMIT = 512
_STYLE_LIMIT = 1024


def named_columns(names: Iterable[str], aliases: Sequence[str]) -> list[str]:
    """Return those columns that are called one of ``aliases``, in the order of these."""
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(re.sub(r"[\s_-]+", " ", name.strip()).casefold(), name)
    return [known[alias] for alias in aliases if alias in known]


@dataclass(frozen=True)
class Columns:
    """Which columns of a header are read. ``sku`` may stand in several: the first that is filled counts."""

    image: str | None
    skus: tuple[str, ...]
    style: str | None
    strength: str | None

    @classmethod
    def among(cls, names: Iterable[str]) -> Self:
        """Find the columns by name."""
        names = list(names)
        meanings = (IMAGE_COLUMNS, ("style",), ("strength",))
        image, style, strength = (next(iter(named_columns(names, aliases)), None) for aliases in meanings)
        return cls(image, tuple(named_columns(names, SKU_COLUMNS)), style, strength)


def require_image_column(name: str, columns: Iterable[str]) -> None:
    """Refuse a manifest none of whose columns names the image."""
    names = list(columns)
    if Columns.among(names).image is not None:
        return
    found = shortened(", ".join(names))
    raise ManifestError(
        f"{name} has no column image; its columns are: {found}. Call the column with the path or URL"
        f" of the picture image (also read: {', '.join(IMAGE_COLUMNS[1:])})",
        code="missing_column",
    )


def read_row(line: int, values: dict[str, str], columns: Columns, sources: Sources) -> ManifestRow:
    """Interpret one row. What is wrong with it goes into its ``error``; nothing is raised."""
    values = without_credentials(values, columns.image)
    image = _value(values, columns.image)
    given_sku = _sku(values, columns)
    wish = sources.wish(image) if image else given_sku or f"row-{line}"
    source, style, strength, error = "", None, None, None
    try:
        style = _style(_value(values, columns.style))
        strength = _strength(_value(values, columns.strength))
        _check_sku(given_sku)
        source = sources.resolve(_required(image, given_sku))
    except InvalidInput as problem:
        error = problem.with_traceback(None)  # else each bad row keeps its frames alive
    sku = storable(given_sku or (wish if image else ""))[-_SKU_LIMIT:]
    return ManifestRow(line, sku, source, sources.named(image), wish, style, strength, values, error)


def bad_row(line: int, values: dict[str, str], columns: Columns, sources: Sources, error: InvalidInput) -> ManifestRow:
    """Make the row of a record that cannot be interpreted."""
    values = without_credentials(values, columns.image)
    sku = _sku(values, columns)[:_SKU_LIMIT]
    return ManifestRow(
        line, sku, "", sources.named(_value(values, columns.image)), sku or f"row-{line}", None, None, values, error
    )


def _value(values: Mapping[str, str], column: str | None) -> str:
    return values.get(column, "").strip() if column is not None else ""


def _sku(values: Mapping[str, str], columns: Columns) -> str:
    for name in columns.skus:
        if sku := _value(values, name):
            return sku
    return ""


def _required(image: str, sku: str) -> str:
    if not image:
        whose = f"sku {shortened(sku)!r} has" if sku else "the row has neither sku nor"
        raise InvalidInput(f"{whose} no image: write its path or URL", code="missing_image")
    return image


def _check_sku(sku: str) -> None:
    if len(sku) > _SKU_LIMIT:
        raise InvalidInput(f"sku {sku[:40]!r}… has {len(sku)} characters: at most {_SKU_LIMIT}", code="sku_too_long")


def _style(text: str) -> str | None:
    if not text:
        return None
    try:
        if len(text) > _STYLE_LIMIT:
            raise UsageError(f"at most {_STYLE_LIMIT} characters")
        Look(parse_mix(text))
    except UsageError as error:
        raise InvalidInput(f"style {shortened(text)!r}: {shortened(str(error))}", code="bad_style") from None
    return text


def _strength(text: str) -> float | None:
    if not text:
        return None
    try:
        strength = float(text.replace(",", "."))  # spreadsheets of half of Europe write 0,5
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise InvalidInput(f"strength {shortened(text)!r} is not a number from 0 to 1", code="bad_strength")
    return strength
