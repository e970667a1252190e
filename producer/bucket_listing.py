"""List the objects of merchants' buckets, for manifests that name a prefix."""

from __future__ import annotations

from collections.abc import Iterator

from producer.manifest.formats.prefix import ListPrefix
from shared.settings import Settings
from shared.store import open_store


def list_s3(settings: Settings) -> ListPrefix:
    """Return a function that lists the URLs below an ``s3://bucket/prefix``."""

    def list_prefix(url: str) -> Iterator[str]:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        store = open_store(f"s3://{bucket}", settings.store_options)
        return (f"s3://{bucket}/{info.key}" for info in store.list(prefix))

    return list_prefix
