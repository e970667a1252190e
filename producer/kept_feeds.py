"""Keep the feed that a batch was submitted as, so that it can be given back with new addresses."""

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
    path = manifest.feed
    if path is None:
        return
    name = safe_output(path.name).replace("/", "_")
    # A copy, since a store in a folder links what it is given, and the merchant may write over the file.
    with TemporaryDirectory(prefix="atelier-feed-") as folder:
        copy = shutil.copyfile(path, Path(folder) / "feed")
        store.put_file(f"{_prefix(batch)}{manifest.platform or DETECTED}/{name}", copy)


def find_feed(store: ObjectStore, batch: Batch) -> KeptFeed:
    """Return the feed of a batch. Raises NotFound if it was no feed."""
    for entry in store.list(_prefix(batch)):
        platform, name = PurePosixPath(entry.key).parts[-2:]
        return KeptFeed(entry.key, name, None if platform == DETECTED else platform)
    raise NotFound(
        f"batch {batch.id} was not submitted as one feed: only a CSV, JSON or XML file can be given back",
        code="no_feed",
    )


def copy_feed(store: ObjectStore, feed: KeptFeed, folder: Path) -> Path:
    """Copy a feed to a folder, under its own name."""
    path = folder / feed.name
    store.get_file(feed.key, path)
    return path


def _prefix(batch: Batch) -> str:
    return f"feeds/{batch.merchant_id}/{batch.id}/"
