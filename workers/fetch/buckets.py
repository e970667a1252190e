"""Merchants' buckets, read with our own key."""

from __future__ import annotations

from shared.errors import InvalidInput, NotAllowed, SourceRefused, SourceUnavailable, StoreUnavailable
from shared.store import ObjectStore, StoreOptions, open_store


class Buckets:
    """Reads ``s3://`` sources. Whose buckets a merchant may name is decided by whoever asks."""

    def __init__(self, options: StoreOptions, max_bytes: int) -> None:
        self._options = options
        self._max_bytes = max_bytes
        self._opened: dict[str, ObjectStore] = {}

    def get(self, source: str) -> bytes:
        """Return an object's bytes. Raises SourceRefused, or SourceUnavailable where trying later may help."""
        bucket, _, key = source.removeprefix("s3://").partition("/")
        try:
            return self._bucket(bucket).get(key, max_bytes=self._max_bytes)
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

    def _bucket(self, name: str) -> ObjectStore:
        if name not in self._opened:
            self._opened[name] = open_store(f"s3://{name}", self._options)
        return self._opened[name]
