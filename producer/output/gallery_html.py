"""Build the pieces of gallery.html. ``escape`` and ``quote`` are applied here to every text of a merchant."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from producer.output.results import ERRORS_CSV, RESULTS_CSV, Result, Summary
from producer.thumbnail import Thumbnail, make_thumbnail

_NO_PREVIEW = '<span class="blank">No preview</span>'
_SENTENCES = {"cancelled": "Cancelled before it was styled.", "queued": "Not styled yet."}
_STATES = ("succeeded", "reused", "failed", "cancelled", "queued")


@dataclass(frozen=True)
class Product:
    """One photo and its jobs."""

    sku: str
    source: str
    jobs: Sequence[Result]


def product_card(product: Product, *, out: Path) -> str:
    """Return the card with the photo and its renditions. The pictures are read here."""
    name = _name(product.sku, product.source)
    photo = next((job.source_path for job in product.jobs if job.source_path), None)
    before = make_thumbnail(photo)
    tiles = [_photo_tile(before, name, _nearby(photo, out))]
    shapes = [before] if before else []
    for job in product.jobs:
        if job.output is None:
            tiles.append(_missing_tile(job))
            continue
        after = make_thumbnail(out / job.output)
        shapes += [after] if after else []
        tiles.append(_rendition_tile(job, name, after))
    file_name = _file_name(product.source)
    same = file_name == name or file_name.startswith(name.rpartition("/")[2] + ".")
    subtitle = "" if same else f'<p class="source"><bdi>{escape(file_name)}</bdi></p>'
    return (
        f'<article class="product" style="--ratio:{_ratio(shapes):.4g}">\n'
        f"<header><h2><bdi>{escape(name)}</bdi></h2>{subtitle}</header>\n"
        f'<div class="tiles">\n{"".join(tiles)}</div>\n</article>\n'
    )


def statistics(summary: Summary, styles: int) -> str:
    """Return the batch in numbers. A zero is left out unless it is informative."""
    pairs = [
        (number(summary.total), "image" if summary.total == 1 else "images"),
        (number(styles), "style" if styles == 1 else "styles"),
        (number(summary.succeeded), "succeeded"),
        (number(summary.failed), "failed"),
        (number(summary.reused), "reused"),
        (number(summary.cancelled), "cancelled"),
        (_duration(summary.seconds), "total"),
        (f"{summary.images_per_second:,.3g}", "images/s"),
    ]
    shown = [(value, label) for value, label in pairs if value != "0" or label in ("images", "failed")]
    return "".join(_figure(value, label) for value, label in shown)


def _figure(value: str, label: str) -> str:
    if label == "failed" and value != "0":
        return f'<div class="bad"><dt>{label}</dt><dd><a href="#failures">{value}</a></dd></div>'
    return f"<div><dt>{label}</dt><dd>{value}</dd></div>"


def filters(jobs: Iterable[Result]) -> str:
    """Return filters for the styles and states that occur, if there is more than one."""
    styles: Counter[str] = Counter()
    states: Counter[str] = Counter()
    for job in jobs:
        styles[job.style] += 1
        states.update(_states(job))
    known = {state: states[state] for state in _STATES if states[state]}
    return _chips("style", styles, "All styles") + _chips("state", known, "All states")


def failure_section(jobs: Sequence[Result], total: int, *, failed: bool) -> str:
    """List the jobs without a rendition, with code and message."""
    fix = f' Fix them in <a href="{ERRORS_CSV}">{ERRORS_CSV}</a> and submit it again.' if failed else ""
    shown = f"Showing the first {number(len(jobs))}; all are in {RESULTS_CSV}." if len(jobs) < total else ""
    heading = "Failed" if failed else "Not styled"
    return (
        f'<section class="failures" id="failures">\n<h2>{heading} <small>{number(total)}</small></h2>\n'
        f"<p>{shown}{fix}</p>\n<ul>\n{''.join(map(_failure, jobs))}</ul>\n</section>"
    )


def number(value: int) -> str:
    """Format a count with thousands separators."""
    return f"{value:,}"


def _photo_tile(thumbnail: Thumbnail | None, name: str, full: str | None) -> str:
    link = f' data-full="{full}"' if full and thumbnail else ""
    picture = _picture(thumbnail, f"{name}, the photo")
    return (
        f'<figure class="tile photo"><div class="frame"{link}>{picture}</div>'
        "<figcaption><span>Photo</span></figcaption></figure>\n"
    )


def _rendition_tile(job: Result, name: str, thumbnail: Thumbnail | None) -> str:
    facts = [f"{job.width} × {job.height}"] if job.width and job.height else []
    facts += [f"strength {job.strength:g}"] if job.strength != 1 else []
    facts += ["reused"] if job.reused else []
    return (
        f'<figure class="tile" {_data(job)}><a class="frame" href="{_link(job.output or "")}">'
        f"{_picture(thumbnail, f'{name} in {job.style}')}</a>"
        f"<figcaption><span>{escape(job.style)}</span><small>{' · '.join(facts)}</small></figcaption>"
        "</figure>\n"
    )


def _missing_tile(job: Result) -> str:
    return (
        f'<figure class="tile missing" {_data(job)}><a class="frame" href="#job-{job.ordinal}">'
        f'<span class="blank">{escape(job.state.capitalize())}<small>Why?</small></span></a>'
        f"<figcaption><span>{escape(job.style)}</span></figcaption></figure>\n"
    )


def _failure(job: Result) -> str:
    name, file_name = _name(job.sku, job.source), _file_name(job.source)
    facts = [
        f"line {job.line}" if job.columns else "",  # a listing's row number means nothing to a merchant
        f"<bdi>{escape(file_name)}</bdi>" if file_name != name else "",
        escape(job.style),
    ]
    facts += ["a retry may help"] if job.retryable else []
    return (
        f'<li id="job-{job.ordinal}" {_data(job)}><code>{escape(job.code or job.state)}</code>'
        f"<div><h3><bdi>{escape(name)}</bdi></h3>"
        f"<p>{escape(job.message or _SENTENCES.get(job.state, 'No reason was recorded.'))}</p>"
        f"<small>{' · '.join(filter(None, facts))}</small></div></li>\n"
    )


def _picture(thumbnail: Thumbnail | None, alt: str) -> str:
    if thumbnail is None:
        return _NO_PREVIEW
    size = f'width="{thumbnail.width_px}" height="{thumbnail.height_px}"'
    return f'<img src="{thumbnail.uri}" alt="{escape(alt)}" {size} decoding="async">'


def _chips(kind: str, counts: Counter[str] | dict[str, int], everything: str) -> str:
    if len(counts) < 2:
        return ""
    chips = [_chip(kind, "", everything, None)]
    chips += [_chip(kind, value, value, count) for value, count in sorted(counts.items(), key=_by_rank)]
    return f'<div class="chips" role="group" aria-label="Filter by {kind}">{"".join(chips)}</div>\n'


def _chip(kind: str, value: str, label: str, count: int | None) -> str:
    badge = "" if count is None else f" <small>{number(count)}</small>"
    return (
        f'<button type="button" data-filter="{kind}" data-value="{escape(value)}" '
        f'aria-pressed="{"true" if not value else "false"}">{escape(label)}{badge}</button>'
    )


def _by_rank(item: tuple[str, int]) -> tuple[int, str]:
    name = item[0]
    return (_STATES.index(name) if name in _STATES else -1, name)


def _data(job: Result) -> str:
    return f'data-style="{escape(job.style)}" data-state="{escape(" ".join(_states(job)))}"'


def _states(job: Result) -> list[str]:
    return [job.state, "reused"] if job.reused else [job.state]


def _name(sku: str, source: str) -> str:
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
