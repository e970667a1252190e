"""Write gallery.html: photos beside their renditions, in one page that opens from disk."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from producer.output.gallery_view import Product, card_of, failure_of, figures_of, filters_of
from producer.output.names import GALLERY_HTML
from producer.output.results import Result
from producer.output.summary import Summary
from producer.pages.environment import PALETTE, inline, make_environment, policy_source
from shared.errors import UsageError
from shared.queue.jobs import JobState

_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
    "img-src 'self' file: data:; script-src "
)
"""Allow only the page's own script and the pictures near it: a second guard should escaping ever fail."""

# Decoding releases the GIL; more threads would only multiply the memory of large photos.
_THREADS = 2
_STYLES_LIMIT = 1000


def write_gallery(out: Path, results: Iterable[Result], *, title: str, summary: Summary, thumbnails: int = 400) -> Path:
    """Write gallery.html with the first ``thumbnails`` renditions and return its path.

    ``results`` is read once; only the shown ones are kept, and their pictures are loaded one by one. An
    unreadable picture gets a tile that says so. Raises UsageError if the page cannot be written.
    """
    selection = _select(results, thumbnails)
    path = out / GALLERY_HTML
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("x", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(_rendered(selection, title, summary, out))
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", code="unwritable") from error
    finally:
        part.unlink(missing_ok=True)
    return path


@dataclass
class _Selection:
    """The part of a batch that fits on the page, and counts of the rest."""

    products: list[Product] = field(default_factory=list)
    unfinished: list[Result] = field(default_factory=list)
    renditions_shown: int = 0
    renditions: int = 0
    unfinished_total: int = 0
    styles: set[str] = field(default_factory=set)


def _select(results: Iterable[Result], limit: int) -> _Selection:
    """Group results by product in order of appearance. The jobs of a product need not be consecutive."""
    selection = _Selection()
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if len(selection.styles) < _STYLES_LIMIT:
            selection.styles.add(result.style)
        if result.state != JobState.SUCCEEDED:
            selection.unfinished_total += 1
            if len(selection.unfinished) < limit:
                selection.unfinished.append(result)
            continue
        if result.output is None:
            continue
        selection.renditions += 1
        key = (result.sku, result.source)
        if key in groups or len(groups) < limit:
            group = groups.setdefault(key, [])
            if len(group) < limit:
                group.append(result)
    for result in selection.unfinished:
        # A failed job beside others of its product has a tile; alone it is only listed.
        groups.get((result.sku, result.source), []).append(result)
    _fill(selection, groups.values(), limit)
    return selection


def _fill(selection: _Selection, groups: Iterable[list[Result]], limit: int) -> None:
    for group in groups:
        room = limit - selection.renditions_shown
        if room <= 0:
            return
        renditions = [job for job in group if job.state == JobState.SUCCEEDED][:room]
        selection.renditions_shown += len(renditions)
        others = [job for job in group if job.state != JobState.SUCCEEDED]
        jobs = sorted([*renditions, *others], key=lambda job: job.ordinal)
        selection.products.append(Product(renditions[0].sku, renditions[0].source, jobs))


def _rendered(selection: _Selection, title: str, summary: Summary, out: Path) -> Iterator[str]:
    """Yield the page piece by piece: the pictures of a card are read when its turn comes."""
    succeeded = [job for product in selection.products for job in product.jobs if job.output]
    tiles = max((len(product.jobs) + 1 for product in selection.products), default=2)
    script = inline("gallery.js")
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from (
            make_environment()
            .get_template(GALLERY_HTML)
            .generate(
                title=title or "Renditions",
                policy=_POLICY + policy_source(script),
                style=inline(PALETTE, "gallery.css"),
                script=script,
                figures=figures_of(summary, len(selection.styles)),
                filters=filters_of([*succeeded, *selection.unfinished]),
                renditions=selection.renditions,
                renditions_shown=selection.renditions_shown,
                layout="pairs" if tiles <= 2 else "rows",
                tiles=min(tiles, 5),
                cards=pool.map(partial(card_of, out=out), selection.products),
                failures=[failure_of(job) for job in selection.unfinished],
                failures_total=selection.unfinished_total,
                any_failed=summary.failed > 0,
            )
        )
