"""Find the meaning of the merchant's columns, and interpret rows by them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from producer.manifest.credentials import without_credentials
from producer.manifest.row import ManifestRow, shortened
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError, UsageError
from shared.look import Look, parse_mix
from shared.plain_text import storable

# In order of preference. Case does not matter, nor whether words are separated by a space, "_" or "-".
IMAGE_COLUMNS = ("image", "image url", "image link", "image src", "picture", "url", "path")
SKU_COLUMNS = ("sku", "variant sku", "id", "handle")
CATEGORY_COLUMNS = ("category", "product type", "product category", "google product category", "type")

COLUMN_LIMIT = 512
# Postgres allows 2,704 bytes in an index row.
_SKU_LIMIT = 512
_STYLE_LIMIT = 1024


def named_columns(names: Iterable[str], aliases: Sequence[str]) -> list[str]:
    """Return the columns that have one of the names ``aliases``, in the order of these."""
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(re.sub(r"[\s_-]+", " ", name.strip()).casefold(), name)
    return [known[alias] for alias in aliases if alias in known]


@dataclass(frozen=True)
class Columns:
    """Columns of a header that are read. Several may contain the sku: the first that is filled counts."""

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
    """Raise ManifestError if no column names the image."""
    names = list(columns)
    if Columns.among(names).image is not None:
        return
    columns_text = shortened(", ".join(names))
    raise ManifestError(
        f"{name} has no image column; its columns are: {columns_text}. Name the column with the path or URL"
        f" of the picture image (or {', '.join(IMAGE_COLUMNS[1:])})",
        code="missing_column",
    )


def read_row(line: int, values: dict[str, str], columns: Columns, sources: Sources) -> ManifestRow:
    """Interpret one row. A problem is stored in the row's ``error``; nothing is raised."""
    values = without_credentials(values, columns.image)
    image = _value(values, columns.image)
    given_sku = _sku(values, columns)
    suggestion = sources.suggested_output(image) if image else given_sku or f"row-{line}"
    source, style, strength, error = "", None, None, None
    try:
        style = _style(_value(values, columns.style))
        strength = _strength(_value(values, columns.strength))
        _check_sku(given_sku)
        source = sources.resolve(_required(image, given_sku))
    except InvalidInput as problem:
        error = problem.with_traceback(None)  # otherwise each bad row keeps its stack frames alive
    sku = storable(given_sku or (suggestion if image else ""))[-_SKU_LIMIT:]
    return ManifestRow(line, sku, source, sources.named(image), suggestion, style, strength, values, error)


def bad_row(line: int, values: dict[str, str], columns: Columns, sources: Sources, error: InvalidInput) -> ManifestRow:
    """Return the row of a record that cannot be interpreted."""
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
        subject = f"sku {shortened(sku)!r} has" if sku else "the row has neither sku nor"
        raise InvalidInput(f"{subject} no image: write its path or URL", code="missing_image")
    return image


def _check_sku(sku: str) -> None:
    if len(sku) > _SKU_LIMIT:
        raise InvalidInput(
            f"sku {sku[:40]!r}… has {len(sku)} characters: the limit is {_SKU_LIMIT}", code="sku_too_long"
        )


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
        strength = float(text.replace(",", "."))  # many European spreadsheets write 0,5
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise InvalidInput(f"strength {shortened(text)!r} is not a number from 0 to 1", code="bad_strength")
    return strength
