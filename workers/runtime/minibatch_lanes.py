"""Lanes: threads that feed the device from one priority queue.

A preview enters the next minibatch. Images of different looks and merchants share a minibatch if
they have the same size, because the style is a per-sample input of the generator.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.errors import AtelierError

Paint = Callable[[str, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Canvas:
    """Picture to paint: its trunk, photo uint8 (3, H, W), area measured uint8 (1, H, W), vector (row_size,)."""

    trunk_sha256: str
    photo: Tensor
    area: Tensor
    row: Tensor

    @property
    def kind(self) -> Kind:
        """Return what canvases in one minibatch must have in common."""
        return self.trunk_sha256, *self.photo.shape[1:]


Kind = tuple[str, int, int]
"""Trunk, height and width."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    canvas: Canvas
    painted: Future[Tensor]


Turn = tuple[int, int]
"""Priority and order of submission, unique."""


class Lanes:
    """Threads that paint submitted pictures by priority, then in order of submission."""

    def __init__(self, paint: Paint, *, lanes: int, most: Callable[[int, int], int]) -> None:
        """``most`` returns how many pictures of a height and width are worth stacking, at least 1."""
        self._paint = paint
        self._most = most
        self._waiting: dict[Kind, list[tuple[Turn, _Waiting]]] = {}  # heaps, none of them empty
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._run, name=f"lane-{n}", daemon=True) for n in range(lanes)]
        for thread in self._threads:
            thread.start()

    def submit(self, canvas: Canvas, *, priority: int) -> Future[Tensor]:
        """Queue a picture; the future returns uint8 (3, H, W) and is running while a lane paints it.

        Lower ``priority`` comes first.
        """
        painted: Future[Tensor] = Future()
        with self._changed:
            if self._closed:
                painted.cancel()
                return painted
            turn = (priority, next(self._order))
            heapq.heappush(self._waiting.setdefault(canvas.kind, []), (turn, _Waiting(canvas, painted)))
            self._changed.notify()
        return painted

    def stop(self) -> None:
        """Cancel pictures that no lane has begun, and all that are submitted from now on."""
        with self._changed:
            self._closed = True
            for heap in self._waiting.values():
                for _, waiting in heap:
                    waiting.painted.cancel()
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and wait until the threads have ended."""
        self.stop()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while minibatch := self._take():
            self._fulfil(minibatch)

    def _fulfil(self, minibatch: list[_Waiting]) -> None:
        """Paint a minibatch. After an unexpected error, paint each picture alone."""
        try:
            photos = torch.stack([waiting.canvas.photo for waiting in minibatch])
            areas = torch.stack([waiting.canvas.area for waiting in minibatch])
            rows = torch.stack([waiting.canvas.row for waiting in minibatch])
            painted = self._paint(minibatch[0].canvas.trunk_sha256, photos, areas, rows)
        except BaseException as error:  # any error is passed to the waiters through their futures
            if len(minibatch) > 1 and not isinstance(error, AtelierError):
                for waiting in minibatch:
                    self._fulfil([waiting])
                return
            for waiting in minibatch:
                waiting.painted.set_exception(error)
        else:
            for waiting, picture in zip(minibatch, painted, strict=True):
                waiting.painted.set_result(picture)

    def _take(self) -> list[_Waiting]:
        """Wait for work; return the first picture and those that stack with it, in order. Empty when closed."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            kind = min(self._waiting, key=lambda kind: self._waiting[kind][0][0])
            heap = self._waiting[kind]
            minibatch = [heapq.heappop(heap)[1] for _ in range(min(len(heap), self._most(*kind[1:])))]
            if not heap:
                del self._waiting[kind]
            for waiting in minibatch:
                waiting.painted.set_running_or_notify_cancel()
            return minibatch
