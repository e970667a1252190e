"""Import a feed: a manifest of any supported format becomes a merchant's catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Self

from producer.jobs_from_rows import arrivals
from producer.kept_feeds import keep_catalog_feed
from producer.manifest import Manifest, ManifestRow
from producer.manifest.columns import named_columns
from producer.source_intake import Intake
from producer.spooled_rows import SpooledRows
from shared.catalog.digests import digest
from shared.catalog.feed import FeedRow, Imported, import_feed
from shared.context import Session
from shared.database import MAINTENANCE_SECONDS, transaction
from shared.errors import InvalidInput
from shared.merchants import audit
from shared.merchants.actors import Actor, confined
from shared.merchants.merchants import allowed_sources
from shared.queue.jobs import STORED

COLLECTION_COLUMNS = ("collection", "collections", "custom label 0")
HASH_COLUMNS = ("sha256", "hash", "md5", "checksum")
VALIDATOR_COLUMNS = ("etag", "last modified", "lastmod", "updated at", "date modified")

MOST_POSITIONS = 10_000

BadRow = Callable[[ManifestRow, InvalidInput], None]


def import_catalog(
    session: Session, actor: Actor, manifest: Manifest, bad: BadRow, *, partial: bool = False, shrink: bool = False
) -> Imported:
    """Replace a merchant's catalogue by a feed; ``bad`` is called with rows that are left out.

    Local files are put into the store, since workers cannot read them, and the feed is kept there, so that it can be
    given back. Raises ManifestError where the feed breaks off, and Conflict if it would remove more than half; then
    nothing changes. The feed is read to its end, and its files are taken in, before a transaction begins.
    """
    with confined(session.engine, actor) as (connection, merchant_id):
        allowed = allowed_sources(connection, merchant_id)
    most_bytes = session.settings.max_image_mib * 2**20
    with Intake(session.store, merchant_id, most_bytes, allowed) as intake, SpooledRows() as rows:
        rows.fill(feed_rows(manifest, intake, bad))
        with transaction(session.engine, merchant=merchant_id, statement_seconds=MAINTENANCE_SECONDS) as connection:
            imported = import_feed(connection, merchant_id, rows, partial=partial, shrink=shrink)
            audit.record(connection, actor.name, "catalog import", merchant_id, asdict(imported))
    keep_catalog_feed(session.store, merchant_id, manifest, partial=partial)
    return imported


def feed_rows(manifest: Manifest, intake: Intake, bad: BadRow) -> Iterator[FeedRow]:
    """Yield a feed's rows. A bad row still counts as present, so that its image is not removed."""
    meanings = _Meanings.among(())
    for number, (row, _, taken) in enumerate(arrivals(manifest.rows(), lambda *_: (), intake)):
        columns = row.columns
        if columns.keys() != meanings.columns:
            meanings = _Meanings.among(tuple(columns))
        source, pixels, content, position = "", 0, None, None
        by_address = False
        try:
            position = _position(row.position)
            if isinstance(taken, InvalidInput):
                raise taken
            source, pixels = taken.result() if isinstance(taken, Future) else taken
            content, by_address = _content(columns, source, meanings)
        except InvalidInput as error:
            bad(row, error)
        category, collection = _category(row.category), _first(columns, meanings.collection)
        yield FeedRow(
            number,
            row.sku,
            position,
            row.image,
            source,
            row.output,
            category[:512],
            collection[:512],
            pixels,
            content,
            by_address,
        )
    intake.sync()


@dataclass(frozen=True)
class _Meanings:
    """Columns of a row by meaning. Of several the first that is filled counts."""

    columns: Set[str]
    collection: Sequence[str]
    hash: Sequence[str]
    validator: Sequence[str]

    @classmethod
    def among(cls, names: Sequence[str]) -> Self:
        aliases = (COLLECTION_COLUMNS, HASH_COLUMNS, VALIDATOR_COLUMNS)
        return cls(frozenset(names), *(named_columns(names, some) for some in aliases))


def _first(values: Mapping[str, str], names: Sequence[str]) -> str:
    for name in names:
        if text := values[name].strip():
            return text
    return ""


def _category(text: str) -> str:
    """Return a category as text; of a shop's JSON, the name of the first one."""
    if not text.startswith("[{"):
        return text
    try:
        first = json.loads(text)[0]
    except (ValueError, RecursionError):
        return text
    return str(first.get("name") or text) if isinstance(first, dict) else text


def counted_position(text: str, counted: int) -> int:
    """Return the position of a row of a feed: the one that it says, else the number of the row among its sku's."""
    try:
        said = _position(text)
    except InvalidInput:
        said = None
    return counted if said is None else said


def _position(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > MOST_POSITIONS:
        raise InvalidInput(
            f"position {text[:40]!r} is not a whole number from 0 to {MOST_POSITIONS}", code="bad_position"
        )
    return int(text)


def _content(values: Mapping[str, str], source: str, meanings: _Meanings) -> tuple[str, bool]:
    """Return a digest of what is known of a source's content, by which a change is detected; True if by its address.

    A hash of the content, computed here or given by the feed, is the same wherever the image lies; ETags and dates
    belong to one URL.
    """
    if source.startswith(STORED):
        return digest("sha256", source.rpartition("/")[2]), False
    if stated := _first(values, meanings.hash):
        return digest("sha256" if len(stated) == 64 else "hash", stated.lower()), False
    return digest("url", source, _first(values, meanings.validator)), True
