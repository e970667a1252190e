"""Fetch a job's source image from the object store, a merchant's bucket, or the web."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Engine

from shared.database import transaction
from shared.errors import InvalidInput, SourceRefused, SourceUnavailable
from shared.merchants.merchants import allowed_sources, require_allowed, require_kept
from shared.queue.jobs import STORED
from shared.source_copies import SourceCopy, find_copy, keep_copy, source_key
from shared.store import ObjectStore
from workers.fetch.buckets import Buckets
from workers.fetch.client import Answer, Validators, Web

SEE_SECONDS = 5.0
"""Time limit of a host for a source check, for which nobody waits."""


@dataclass(frozen=True)
class SourceState:
    """Content that a URL has now, and how many bytes its host sent: 0 if it is unchanged."""

    sha256: str
    bytes: int


class Sources:
    """Fetches the sources that jobs name. All threads of a worker share one instance."""

    def __init__(self, engine: Engine, store: ObjectStore, max_bytes: int, buckets: Buckets, web: Web) -> None:
        self._engine = engine
        self._store = store
        self._max_bytes = max_bytes
        self._buckets = buckets
        self._web = web

    def fetch(self, merchant: int, source: str) -> bytes:
        """Return the bytes of a merchant's source.

        Raises ImageError (fault of the image), SourceUnavailable (fault of its host, try again later),
        StoreUnavailable (fault of the object store) or DatabaseUnavailable.
        """
        if source.startswith(STORED):
            return self._stored(source.removeprefix(STORED))
        if source.startswith("s3://"):
            with transaction(self._engine) as connection:
                require_allowed(source, allowed_sources(connection, merchant))
            return self._buckets.get(source)
        return self._from_web(merchant, source)

    def check(self, merchant: int, url: str) -> SourceState:
        """Check whether a web source has changed. New content is stored as by ``fetch``, ready to be styled.

        Raises the errors of ``fetch``, also SourceUnavailable for a slow host, and Conflict if the merchant is being
        erased.
        """
        copy, answer = self._ask(merchant, url, SEE_SECONDS)
        if answer.data is None:
            assert copy is not None  # otherwise no validators were sent
            return SourceState(copy.sha256, 0)
        return SourceState(self._keep(merchant, url, answer, copy), len(answer.data))

    def _stored(self, key: str) -> bytes:
        try:
            data = self._store.get(key, max_bytes=self._max_bytes)
        except InvalidInput as error:
            raise SourceRefused(str(error), code=error.code) from error
        if hashlib.sha256(data).hexdigest() != key.rpartition("/")[2]:
            if self._store.path(key) is None:
                raise SourceUnavailable(
                    f"object {key} was read damaged from the store: submit the image again if this persists"
                )
            # A folder store may share the file with the merchant by a hard link, who may have edited it since.
            raise SourceRefused("the file was changed after it was submitted: submit it again", code="source_changed")
        return data

    def _from_web(self, merchant: int, url: str) -> bytes:
        """Fetch a URL, or read our copy if the host says that it is unchanged."""
        copy, answer = self._ask(merchant, url)
        if answer.data is None and copy is not None:
            try:
                return self._stored(source_key(merchant, copy.sha256))
            except (SourceRefused, SourceUnavailable):  # deleted by the sweep, or damaged
                copy, answer = None, self._web.get(url)
        assert answer.data is not None  # no validators were sent
        self._keep(merchant, url, answer, copy)
        return answer.data

    def _ask(self, merchant: int, url: str, seconds: float | None = None) -> tuple[SourceCopy | None, Answer]:
        """Request a URL, conditionally if there is a copy; return the unchanged copy, if any, and the answer."""
        with transaction(self._engine) as connection:
            copy = find_copy(connection, merchant, url)
        known = Validators(copy.etag, copy.last_modified) if copy else Validators()
        return copy, self._web.get(url, known, seconds=seconds)

    def _keep(self, merchant: int, url: str, answer: Answer, copy: SourceCopy | None) -> str:
        """Return the hash of the content. Store it if the host sends validators and ``copy`` differs."""
        assert answer.data is not None
        sha256, validators = hashlib.sha256(answer.data).hexdigest(), answer.validators
        if validators.headers:
            if copy is None or copy.sha256 != sha256:
                self._store.put(source_key(merchant, sha256), answer.data)
            with transaction(self._engine) as connection:
                keep_copy(connection, merchant, url, SourceCopy(validators.etag, validators.last_modified, sha256))
                require_kept(connection, merchant)
        return sha256
