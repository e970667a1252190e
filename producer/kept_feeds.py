"""Keep the feed of a batch or of a catalogue, so that it can be given back with new addresses."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from producer.manifest import Manifest
from producer.manifest.outputs import safe_output
from shared.errors import NotFound
from shared.queue.batches import Batch
from shared.store import ObjectStore

DETECTED = "detected"
"""Part of the key of a feed whose platform nobody named."""


@dataclass(frozen=True)
class KeptFeed:
    """A feed in the store. ``platform`` is the one that the merchant named, None if it was detected."""

    key: str
    name: str
    platform: str | None


def keep_feed(store: ObjectStore, batch: Batch, manifest: Manifest) -> None:
    """Put a batch's feed into the store, if its manifest is a single file."""
    _keep(store, _of_batch(batch), manifest)


def keep_catalog_feed(store: ObjectStore, merchant: int, manifest: Manifest, *, partial: bool) -> None:
    """Put the feed of a catalogue in the place of the one before, if it is a single file.

    A part of a catalogue is kept only where there is no feed of a whole one.
    """
    prefix = _of_catalog(merchant)
    before = [entry.key for entry in store.list(prefix)]
    if partial and before:
        return
    kept = _keep(store, prefix, manifest)
    for key in before:
        if key != kept:
            store.delete(key)


def find_feed(store: ObjectStore, batch: Batch) -> KeptFeed:
    """Return the feed of a batch. Raises NotFound if it was no feed."""
    for entry in store.list(_of_batch(batch)):
        return _feed(entry.key)
    raise NotFound(
        f"batch {batch.id} was not submitted as one feed: only a CSV, JSON or XML file can be given back",
        code="no_feed",
    )


def find_catalog_feed(store: ObjectStore, merchant: int) -> KeptFeed:
    """Return the feed that was imported last as a merchant's whole catalogue. Raises NotFound if there is none."""
    entries = sorted(store.list(_of_catalog(merchant)), key=lambda entry: entry.modified_at)
    if not entries:
        raise NotFound(
            "no feed of this catalogue is kept: import one CSV, JSON or XML file with `atelier catalog import`",
            code="no_feed",
        )
    return _feed(entries[-1].key)


def copy_feed(store: ObjectStore, feed: KeptFeed, folder: Path) -> Path:
    """Return a local file with a feed, under its own name: the store's own, or a copy in a folder. Only read it."""
    path = store.path(feed.key)
    if path is None or not path.exists():
        path = folder / feed.name
        store.get_file(feed.key, path)
    return path


def _keep(store: ObjectStore, prefix: str, manifest: Manifest) -> str | None:
    """Copy a feed into the store, as a stream; return its key."""
    if manifest.feed is None:
        return None
    name = safe_output(manifest.feed.name).replace("/", "_")
    key = f"{prefix}{manifest.platform or DETECTED}/{name}"
    with TemporaryDirectory(prefix="atelier-feed-") as folder:
        # A store of files links what it is given, and the merchant may write over the file.
        copy = Path(folder) / "feed"
        shutil.copyfile(manifest.feed, copy)
        store.put_file(key, copy)
    return key


def _feed(key: str) -> KeptFeed:
    platform, name = PurePosixPath(key).parts[-2:]
    return KeptFeed(key, name, None if platform == DETECTED else platform)


def _of_batch(batch: Batch) -> str:
    return f"feeds/{batch.merchant_id}/{batch.id}/"


def _of_catalog(merchant: int) -> str:
    return f"feeds/{merchant}/catalog/"
