"""Find the meaning of the merchant's columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from producer.manifest.platforms import (
    TITLE_COLUMNS,
    WEAK_IMAGE_COLUMNS,
    Platform,
    base_name,
    compact,
    detect,
    is_further_image,
)
from producer.manifest.row import shortened
from shared.errors import ManifestError
from shared.suggestions import did_you_mean

COLUMN_LIMIT = 512
_SHOWN_NAMES = "image url, image link, image src, images, picture, url, path"


def named_columns(names: Iterable[str], aliases: Sequence[str]) -> list[str]:
    """Return the columns that have one of the names ``aliases``, in the order of these."""
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(compact(name), []).append(name)
    return [name for alias in aliases for name in known.get(compact(alias), ())]


def first_filled(values: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the text of the first of the columns that is filled."""
    for name in names:
        if text := values.get(name, "").strip():
            return text
    return ""


@dataclass(frozen=True)
class Columns:
    """Columns of a header by meaning. Of several with one meaning the first that is filled counts.

    ``images`` name the first picture, ``further`` the ones beside it. ``product`` names the product whose rows follow,
    and ``inherited`` are the columns that these rows take from its first one.
    """

    platform: Platform
    images: tuple[str, ...]
    further: tuple[str, ...]
    skus: tuple[str, ...]
    categories: tuple[str, ...]
    positions: tuple[str, ...]
    product: tuple[str, ...]
    inherited: tuple[str, ...]
    style: str | None
    strength: str | None
    protect: str | None
    background: str | None

    @property
    def image(self) -> str | None:
        """Return the column that names the picture, None if there is none."""
        return next(iter(self.images or self.further), None)

    @classmethod
    def among(cls, names: Iterable[str], platform: Platform | None = None, *, weak: bool = True) -> Self:
        """Find the columns by name. With ``weak`` False ``url`` and ``path`` lead to no picture."""
        names = list(names)
        platform = detect(names) if platform is None else platform
        strong = [alias for alias in platform.images if alias not in WEAK_IMAGE_COLUMNS]
        images, repeated = _first_of_each(named_columns(names, strong))
        numbered = [
            name for name in names if name not in images and name not in repeated and base_name(compact(name)) in strong
        ]
        if not images and numbered:
            images, numbered = numbered[:1], numbered[1:]
        further = [*repeated, *numbered, *(name for name in names if is_further_image(compact(name)))]
        if weak and not images and not further:
            images = named_columns(names, [alias for alias in platform.images if alias in WEAK_IMAGE_COLUMNS])
        skus, categories = named_columns(names, platform.skus), named_columns(names, platform.categories)
        product = named_columns(names, platform.product)
        inherited = (*skus[:1], *categories, *named_columns(names, TITLE_COLUMNS), *product) if product else ()
        style, strength, protect, background = (
            next(iter(named_columns(names, (name,))), None) for name in ("style", "strength", "protect", "background")
        )
        return cls(
            platform,
            tuple(images),
            tuple(dict.fromkeys(further)),
            tuple(skus),
            tuple(categories),
            tuple(named_columns(names, platform.positions)),
            tuple(product),
            tuple(inherited),
            style,
            strength,
            protect,
            background,
        )


def _first_of_each(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the first column of each name, and the others."""
    first: dict[str, str] = {}
    others = [name for name in names if first.setdefault(compact(name), name) != name]
    return list(first.values()), others


def _meant(names: Iterable[str], columns: Columns) -> str:
    """Return the column that may be a misspelt image column, as the end of a message."""
    for name in names:
        if meant := did_you_mean(name, columns.platform.images):
            return f"; column {shortened(name)!r}{meant}"
    return ""


def require_image_column(name: str, names: Iterable[str], columns: Columns) -> None:
    """Raise ManifestError if no column names the picture."""
    if columns.image is not None:
        return
    raise ManifestError(
        f"{name} has no image column; its columns are: {shortened(', '.join(names))}. Name the column with the path or"
        f" URL of the picture image (or {_SHOWN_NAMES}){_meant(names, columns)}",
        code="missing_column",
    )
