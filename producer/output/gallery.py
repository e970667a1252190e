"""Write gallery.html: photos beside their renditions, in one page that opens from disk."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from producer.output.gallery_html import Product, failure_section, filters, number, product_card, statistics
from producer.output.results import RESULTS_CSV, Result
from producer.output.summary import Summary
from shared.errors import UsageError
from shared.queue.jobs import JobState

GALLERY_HTML = "gallery.html"
PALETTE_CSS = "palette.css"
"""Colours and fonts that all pages share."""

_PRODUCTS_MARK = "<!-- products -->"
_SCRIPT = re.compile(r"<script>(.*)</script>", re.DOTALL)
# Decoding releases the GIL. More threads would only multiply the memory of large photos.
_THREADS = 2
_STYLES_LIMIT = 1000


def write_gallery(out: Path, results: Iterable[Result], *, title: str, summary: Summary, thumbnails: int = 400) -> Path:
    """Write gallery.html with the first ``thumbnails`` renditions and return its path.

    ``results`` is read once; only the shown ones are kept, and their pictures are loaded one by one. An
    unreadable picture gets a tile that says so. Raises UsageError if the page cannot be written.
    """
    selection = _select(results, thumbnails)
    head, tail = _page(selection, title, summary)
    path = out / GALLERY_HTML
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("x", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(head)
            file.writelines(_cards(selection.products, out))
            file.write(tail)
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


def _cards(products: list[Product], out: Path) -> Iterator[str]:
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(partial(product_card, out=out), products)


def _page(selection: _Selection, title: str, summary: Summary) -> tuple[str, str]:
    """Return the parts of the page before and after the products."""
    templates = resources.files("producer.pages").joinpath("templates")
    template, palette = (templates.joinpath(name).read_text(encoding="utf-8") for name in (GALLERY_HTML, PALETTE_CSS))
    succeeded = [job for product in selection.products for job in product.jobs if job.output]
    tiles = max((len(product.jobs) + 1 for product in selection.products), default=2)
    page = Template(template).substitute(
        title=escape(title or "Renditions"),
        policy=_content_policy(template),
        palette=palette,
        statistics=statistics(summary, len(selection.styles)),
        filters=filters([*succeeded, *selection.unfinished]),
        note=_note(selection),
        layout="pairs" if tiles <= 2 else "rows",
        tiles=min(tiles, 5),
        failures=_failures(selection, summary),
    )
    head, _, tail = page.partition(_PRODUCTS_MARK)
    return head, tail


def _content_policy(template: str) -> str:
    """Allow only the page's own script and pictures, as a second defence in case escaping ever fails."""
    script = _SCRIPT.search(template)
    digest = base64.b64encode(hashlib.sha256(script[1].encode() if script else b"").digest()).decode()
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
        f"img-src 'self' file: data:; script-src 'sha256-{digest}'"
    )


def _note(selection: _Selection) -> str:
    if not selection.renditions:
        return '<p class="note">No renditions yet.</p>'
    if selection.renditions_shown == selection.renditions:
        return ""
    return (
        f'<p class="note">Showing the first {number(selection.renditions_shown)} of '
        f'{number(selection.renditions)} renditions; all are listed in <a href="{RESULTS_CSV}">'
        f"{RESULTS_CSV}</a>.</p>"
    )


def _failures(selection: _Selection, summary: Summary) -> str:
    if not selection.unfinished:
        return ""
    return failure_section(selection.unfinished, selection.unfinished_total, failed=summary.failed > 0)
