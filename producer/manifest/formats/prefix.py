"""List an object store: the images below an ``s3://bucket/prefix``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator

from producer.manifest.extensions import IMAGE_EXTENSIONS, extension, ignored_note, is_image_name, is_left_out
from producer.manifest.formats.folder import listed_row
from producer.manifest.row import ManifestRow
from producer.manifest.source import s3_source
from shared.errors import ManifestError

ListPrefix = Callable[[str], Iterator[str]]


class Prefix:
    """Images below a prefix, which counts as a folder: ``photos`` does not match ``photos-old/red.jpg``.

    ``list_prefix`` takes ``s3://bucket/`` or ``s3://bucket/folder/`` and yields the URLs of all objects
    below it, always in the same order. A URL that ends like an image is that one object.
    """

    columns = ()
    format = "prefix"

    def __init__(self, url: str, list_prefix: ListPrefix) -> None:
        self.name = url
        self._url = url if is_image_name(url) else url.rstrip("/") + "/"
        self._list_prefix = list_prefix
        s3_source(self._url if is_image_name(url) else self._url + "any")
        ignored: Counter[str] = Counter()
        self.digest = self._scan(ignored)
        self.ignored = ignored.total()
        self.notes = ignored_note(url, ignored)

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the images, numbered from 1. The prefix is listed again."""
        images = (url for url in self._objects() if is_image_name(url))
        for number, url in enumerate(images, 1):
            folder = self._url if self._url.endswith("/") else url.rpartition("/")[0] + "/"
            yield listed_row(number, url.removeprefix(folder), url)

    def _scan(self, ignored: Counter[str]) -> str:
        digest = hashlib.sha256(b"prefix\0" + self._url.encode())
        empty = True
        for url in self._objects():
            if is_image_name(url):
                empty = False
                digest.update(url.encode() + b"\0")
            else:
                ignored[extension(url)] += 1
        if empty:
            known = " ".join(IMAGE_EXTENSIONS)
            raise ManifestError(
                f"{self.name} contains no images ({ignored.total()} other objects); supported extensions: {known}",
                code="no_images",
            )
        return digest.hexdigest()

    def _objects(self) -> Iterator[str]:
        if not self._url.endswith("/"):
            yield self._url
            return
        for url in self._list_prefix(self._url):
            name = url.removeprefix(self._url)
            # Objects that mark folders, and hidden names, are not files of the merchant.
            if name != url and name and not name.endswith("/") and not any(map(is_left_out, name.split("/"))):
                yield url
