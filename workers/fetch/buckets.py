"""Read merchants' buckets with the operator's access key."""

from __future__ import annotations

from shared.errors import InvalidInput, NotAllowed, SourceRefused, SourceUnavailable, StoreUnavailable
from shared.store import ObjectStore, StoreOptions, open_store


class Buckets:
    """Reads ``s3://`` sources. The caller checks which buckets a merchant may name."""

    def __init__(self, options: StoreOptions, max_bytes: int) -> None:
        self._options = options
        self._max_bytes = max_bytes
        self._opened: dict[str, ObjectStore] = {}

    def get(self, source: str) -> bytes:
        """Return an object's bytes. Raises SourceRefused, or SourceUnavailable if a retry may help."""
        bucket, _, key = source.removeprefix("s3://").partition("/")
        try:
            return self._bucket(bucket).get(key, max_bytes=self._max_bytes)
        except NotAllowed as error:
            raise SourceRefused(
                f"bucket {bucket} denies access to {key}, or has no such object: let the operator's key read it",
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
