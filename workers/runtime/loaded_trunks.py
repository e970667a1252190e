"""Keep trunks on the device: each is fetched when first needed, and the least recently used are dropped."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

import torch

from workers.model.checkpoint import trunk_from_bytes
from workers.model.generator import Generator

KEPT_BYTES = 2**28
"""Memory for trunks, about 150 of the built-in size. A larger trunk is kept alone."""


class Trunks:
    """Trunks by their hash. Safe for several lanes: one fetches, and only those that need the same trunk wait."""

    def __init__(self, device: torch.device, fetch: Callable[[str], bytes], *, kept_bytes: int = KEPT_BYTES) -> None:
        """``fetch`` returns the verified bytes of a trunk by its sha256."""
        self._device = device
        self._fetch = fetch
        self._kept_bytes = kept_bytes
        self._trunks: OrderedDict[str, Future[Generator]] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, sha256: str) -> Generator:
        """Return a trunk, ready to paint. Raises the errors of ``fetch``; the next call tries again."""
        with self._lock:
            future = self._trunks.get(sha256)
            if future is None:
                own_future = self._trunks[sha256] = Future()
            self._trunks.move_to_end(sha256)
        if future is not None:
            return future.result()
        try:
            own_future.set_result(self._load(sha256))
        except BaseException as error:
            with self._lock:
                self._trunks.pop(sha256, None)
            own_future.set_exception(error)
            raise
        with self._lock:
            self._make_room()
        return own_future.result()

    @property
    def kept(self) -> list[str]:
        """Return the hashes of the loaded trunks, least recently used first."""
        with self._lock:
            return list(self._trunks)

    def _load(self, sha256: str) -> Generator:
        return trunk_from_bytes(self._fetch(sha256)).to(self._device).to(memory_format=torch.channels_last)

    def _make_room(self) -> None:
        """Drop the least recently used trunks. A trunk that is being fetched has no size yet and stays."""
        sizes = {sha256: _bytes(future.result()) for sha256, future in self._trunks.items() if _is_here(future)}
        for sha256 in list(sizes)[:-1]:
            if sum(sizes.values()) <= self._kept_bytes:
                return
            del self._trunks[sha256], sizes[sha256]


def _is_here(future: Future[Generator]) -> bool:
    return future.done() and future.exception() is None


def _bytes(generator: Generator) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in generator.state_dict().values())
