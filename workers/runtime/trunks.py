"""The trunks a worker has on its device: fetched when first needed, the last used kept as far as memory allows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

import torch

from workers.model.checkpoint import trunk_from_bytes
from workers.model.generator import Generator

KEPT_BYTES = 2**28
"""Memory for trunks: some 150 of the built-in one's size. One that is larger is kept alone."""


class Trunks:
    """Trunks by their hash. Safe to use from several lanes: one fetches, and only who needs that trunk waits."""

    def __init__(self, device: torch.device, fetch: Callable[[str], bytes], *, kept_bytes: int = KEPT_BYTES) -> None:
        """``fetch`` returns the bytes of a trunk by its sha256, verified."""
        self._device = device
        self._fetch = fetch
        self._kept_bytes = kept_bytes
        self._trunks: OrderedDict[str, Future[Generator]] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, sha256: str) -> Generator:
        """Return a trunk, ready to paint. Raises whatever fetching it raises; the next who asks tries again."""
        with self._lock:
            found = self._trunks.get(sha256)
            if found is None:
                mine = self._trunks[sha256] = Future()
            self._trunks.move_to_end(sha256)
        if found is not None:
            return found.result()
        try:
            mine.set_result(self._load(sha256))
        except BaseException as error:
            with self._lock:
                self._trunks.pop(sha256, None)
            mine.set_exception(error)
            raise
        with self._lock:
            self._make_room()
        return mine.result()

    @property
    def kept(self) -> list[str]:
        """Hashes of the trunks that are here, the last used last."""
        with self._lock:
            return list(self._trunks)

    def _load(self, sha256: str) -> Generator:
        return trunk_from_bytes(self._fetch(sha256)).to(self._device).to(memory_format=torch.channels_last)

    def _make_room(self) -> None:
        """Let go of those not used for longest. One that is being fetched has no size yet and stays."""
        sizes = {sha256: _bytes(found.result()) for sha256, found in self._trunks.items() if _is_here(found)}
        for sha256 in list(sizes)[:-1]:
            if sum(sizes.values()) <= self._kept_bytes:
                return
            del self._trunks[sha256], sizes[sha256]


def _is_here(found: Future[Generator]) -> bool:
    return found.done() and found.exception() is None


def _bytes(generator: Generator) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in generator.state_dict().values())
