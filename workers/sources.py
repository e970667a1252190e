"""Where a job's source image comes from: our own store, a merchant's bucket, or the web."""

from __future__ import annotations

import hashlib

from sqlalchemy import Engine

from shared.database import transaction
from shared.errors import InvalidInput, SourceRefused, SourceUnavailable
from shared.jobs import STORED
from shared.merchants import allowed_sources, require_allowed
from shared.source_copies import SourceCopy, find_copy, keep_copy, source_key
from shared.store import ObjectStore
from workers.buckets import Buckets
from workers.web.client import Validators, Web


class Sources:
    """Fetches the sources that jobs name. One instance is shared by all threads of a worker."""

    def __init__(self, engine: Engine, store: ObjectStore, max_bytes: int, buckets: Buckets, web: Web) -> None:
        self._engine = engine
        self._store = store
        self._max_bytes = max_bytes
        self._buckets = buckets
        self._web = web

    def fetch(self, merchant: int, source: str) -> bytes:
        """Return the bytes of a merchant's source.

        Raises ImageError (the image's own fault), SourceUnavailable (its host's, try again later),
        StoreUnavailable (our own store's) or DatabaseUnavailable.
        """
        if source.startswith(STORED):
            return self._stored(source.removeprefix(STORED))
        if source.startswith("s3://"):
            with transaction(self._engine) as connection:
                require_allowed(source, allowed_sources(connection, merchant))
            return self._buckets.get(source)
        return self._from_web(merchant, source)

    def _stored(self, key: str) -> bytes:
        try:
            data = self._store.get(key, max_bytes=self._max_bytes)
        except InvalidInput as error:
            raise SourceRefused(str(error), code=error.code) from error
        if hashlib.sha256(data).hexdigest() != key.rpartition("/")[2]:
            if self._store.path(key) is None:
                raise SourceUnavailable(
                    f"object {key} came damaged out of the store: submit the image again if it stays so"
                )
            # A folder store may share the file with the merchant (hard link), who may have edited it since.
            raise SourceRefused("the file was changed after it was submitted: submit it again", code="source_changed")
        return data

    def _from_web(self, merchant: int, url: str) -> bytes:
        """Fetch a URL, or take our copy where its host says that it is still the same."""
        with transaction(self._engine) as connection:
            copy = find_copy(connection, merchant, url)
        answer = self._web.get(url, Validators(copy.etag, copy.last_modified) if copy else Validators())
        if answer.data is None and copy is not None:
            try:
                return self._stored(source_key(merchant, copy.sha256))
            except (SourceRefused, SourceUnavailable):  # swept, or damaged
                answer = self._web.get(url)
        assert answer.data is not None  # no validators were sent
        if answer.validators.headers:
            self._keep(merchant, url, answer.data, answer.validators)
        return answer.data

    def _keep(self, merchant: int, url: str, data: bytes, validators: Validators) -> None:
        sha256 = hashlib.sha256(data).hexdigest()
        self._store.put(source_key(merchant, sha256), data)
        with transaction(self._engine) as connection:
            keep_copy(connection, merchant, url, SourceCopy(validators.etag, validators.last_modified, sha256))
