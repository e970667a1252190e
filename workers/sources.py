"""Where a job's source image comes from."""

from __future__ import annotations

import hashlib

from shared.errors import InvalidInput, NotAllowed, SourceRefused, SourceUnavailable, StoreUnavailable
from shared.jobs import STORED
from shared.store import ObjectStore, StoreOptions, open_store


class Sources:
    """Fetches sources from Atelier's own store and from S3 buckets of merchants."""

    def __init__(self, store: ObjectStore, options: StoreOptions, max_bytes: int) -> None:
        self._store = store
        self._options = options
        self._max_bytes = max_bytes
        self._buckets: dict[str, ObjectStore] = {}

    def fetch(self, source: str) -> bytes:
        """Return the bytes of a source.

        Raises ImageError (the image's own fault), SourceUnavailable (its host's, try again later) or
        StoreUnavailable (our own store's).
        """
        if source.startswith(STORED):
            return self._stored(source.removeprefix(STORED))
        scheme, _, rest = source.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3":
            raise SourceRefused(f"sources of the kind {scheme}:// are not fetched: upload the file or use s3://")
        try:
            return self._get(self._bucket(bucket), key)
        except NotAllowed as error:
            raise SourceRefused(
                f"bucket {bucket} does not let us read {key}, or has no such object: let our access key read it",
                code="source_denied",
            ) from error
        except StoreUnavailable as error:
            if error.code == "no_such_bucket":
                raise SourceRefused(f"there is no bucket {bucket}: correct the URL", code=error.code) from error
            raise SourceUnavailable(f"bucket {bucket} does not answer: {error}") from error
        except InvalidInput as error:
            raise SourceRefused(str(error), code=error.code) from error

    def _stored(self, key: str) -> bytes:
        data = self._get(self._store, key)
        # A folder store may share the file with the merchant (hard link), who may have edited it since.
        if hashlib.sha256(data).hexdigest() != key.rpartition("/")[2]:
            raise SourceRefused("the file was changed after it was submitted: submit it again", code="source_changed")
        return data

    def _get(self, store: ObjectStore, key: str) -> bytes:
        try:
            return store.get(key, max_bytes=self._max_bytes)
        except InvalidInput as error:
            raise SourceRefused(str(error), code=error.code) from error

    def _bucket(self, name: str) -> ObjectStore:
        if name not in self._buckets:
            self._buckets[name] = open_store(f"s3://{name}", self._options)
        return self._buckets[name]
