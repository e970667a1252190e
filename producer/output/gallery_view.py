"""Prepare what gallery.html shows: figures, filters, a card for each photo, and failures. The template renders it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from producer.output.results import Result
from producer.output.summary import Summary
from producer.thumbnail import Thumbnail, make_thumbnail
from shared.strength import Strength

_SENTENCES = {"cancelled": "Cancelled before it was styled.", "queued": "Not styled yet."}
_KEPT = {
    "colour+lettering": "the product's colour and lettering",
    "colour": "the product's colour",
    "product": "the product as it was",
    "product+lettering": "the product as it was",
    "soft": "the product softly painted",
    "soft+lettering": "the product softly painted, and its lettering",
    "none+lettering": "the product's lettering",
}
"""What a protection keeps, in words; nothing for ``none``."""

_STATES = ("succeeded", "reused", "failed", "cancelled", "queued")


@dataclass(frozen=True)
class Product:
    """One photo and its jobs."""

    sku: str
    source: str
    jobs: Sequence[Result]


@dataclass(frozen=True)
class Tile:
    """Job of a photo. ``link`` is None without a rendition."""

    job: Result
    link: str | None = None
    thumbnail: Thumbnail | None = None
    facts: Sequence[str] = ()


@dataclass(frozen=True)
class Card:
    """Photo beside its renditions. ``file_name`` is empty if it repeats the name."""

    name: str
    file_name: str
    ratio: float
    photo: Thumbnail | None
    photo_link: str | None
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Figure:
    """Number with its label. A ``bad`` one links to the failures."""

    value: str
    label: str
    bad: bool


@dataclass(frozen=True)
class Choice:
    """Style or state to filter by, and its number of jobs."""

    value: str
    count: int


@dataclass(frozen=True)
class Filter:
    """Property to filter by, and its values; ``everything`` is the label for no filter."""

    kind: str
    everything: str
    choices: Sequence[Choice]


@dataclass(frozen=True)
class Failure:
    """Job without a rendition, with code and message. ``line`` is None in a listing, where it means nothing."""

    job: Result
    name: str
    file_name: str
    code: str
    message: str
    line: int | None


def card_of(product: Product, *, out: Path) -> Card:
    """Return the card of a photo. The pictures are read here."""
    name, file_name = shown_name(product.sku, product.source), _file_name(product.source)
    photo = next((job.source_path for job in product.jobs if job.source_path), None)
    before = make_thumbnail(photo)
    tiles = [_tile(job, out) for job in product.jobs]
    told = file_name == name or file_name.startswith(name.rpartition("/")[2] + ".")
    return Card(
        name=name,
        file_name="" if told else file_name,
        ratio=_ratio([shape for shape in (before, *(tile.thumbnail for tile in tiles)) if shape]),
        photo=before,
        photo_link=_nearby(photo, out),
        tiles=tiles,
    )


def figures_of(summary: Summary, styles: int) -> list[Figure]:
    """Return the batch in numbers. A zero is left out unless it is informative."""
    pairs = [
        (f"{summary.total:,}", "image" if summary.total == 1 else "images"),
        (f"{styles:,}", "style" if styles == 1 else "styles"),
        (f"{summary.succeeded:,}", "succeeded"),
        (f"{summary.failed:,}", "failed"),
        (f"{summary.reused:,}", "reused"),
        (f"{summary.cancelled:,}", "cancelled"),
        (_duration(summary.seconds), "total"),
        (f"{summary.images_per_second:,.3g}", "images/s"),
    ]
    shown = [(value, label) for value, label in pairs if value != "0" or label in ("images", "failed")]
    return [Figure(value, label, bad=label == "failed" and value != "0") for value, label in shown]


def filters_of(jobs: Iterable[Result]) -> list[Filter]:
    """Return filters for the styles and states that occur."""
    styles: Counter[str] = Counter()
    states: Counter[str] = Counter()
    for job in jobs:
        styles[job.style] += 1
        states.update([job.state, "reused"] if job.reused else [job.state])
    known = {state: states[state] for state in _STATES if states[state]}
    return [Filter("style", "All styles", _choices(dict(sorted(styles.items())))),
            Filter("state", "All states", _choices(known))]  # fmt: skip


def failure_of(job: Result) -> Failure:
    """Return the description of a job without a rendition."""
    name, file_name = shown_name(job.sku, job.source), _file_name(job.source)
    return Failure(
        job=job,
        name=name,
        file_name="" if file_name == name else file_name,
        code=job.code or job.state,
        message=job.message or _SENTENCES.get(job.state, "No reason was recorded."),
        line=job.line if job.columns else None,
    )


def _tile(job: Result, out: Path) -> Tile:
    if job.output is None:
        return Tile(job)
    facts = [job.preset] if job.report is not None and job.preset else []
    facts += [f"{job.width} × {job.height}"] if job.width and job.height else []
    facts += [f"strength {job.strength}"] if job.strength != Strength(1) else []
    facts += [f"keeps {kept}" for kept in [_KEPT.get(job.protect)] if kept]
    facts += ["reused"] if job.reused else []
    facts += [f"not published: {job.reason}"] if job.reason else []
    return Tile(job, _link(job.output), make_thumbnail(out / job.output), facts)


def _choices(counts: Mapping[str, int]) -> list[Choice]:
    return [Choice(value, count) for value, count in counts.items()]


def shown_name(sku: str, source: str) -> str:
    """Return the sku of an image, or the name of its file where it has none."""
    return sku.strip() or _file_name(source) or "(no sku)"


def _file_name(source: str) -> str:
    """Return the last part of a path or URL. The rest may be a private folder or a signature."""
    try:
        parts = urlsplit(source)
    except ValueError:
        return ""
    path = unquote(parts.path) if parts.scheme and parts.scheme != "s3" else source
    return path.rstrip("/").rpartition("/")[2]


def _link(relative: str) -> str:
    # A leading "./" prevents the path from being read as a scheme or host.
    return "./" + quote(relative, safe="/", errors="surrogateescape")


def _nearby(photo: Path | None, out: Path) -> str | None:
    """Return a link to a photo that lies near the page, so that the large view shows the original.

    A photo elsewhere gets none: its path would reveal the merchant's disk to everybody who gets the page.
    """
    if photo is None:
        return None
    relative = os.path.relpath(photo, out)
    far = relative.startswith(os.path.join("..", "..", "..")) or os.path.isabs(relative)
    return None if far else _link(Path(relative).as_posix())


def _ratio(shapes: Sequence[Thumbnail]) -> float:
    """Return the aspect ratio of a product's tiles: that of its first picture, within limits."""
    if not shapes:
        return 1.0
    return min(max(shapes[0].width_px / shapes[0].height_px, 0.6), 1.8)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
