"""Lanes: threads that feed the device from one priority queue.

A preview enters the next minibatch. Images of different looks and merchants share a minibatch when
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
    """One picture to paint: its trunk, photo uint8 (3, H, W), area measured uint8 (1, H, W), row (row_size,)."""

    trunk_sha256: str
    photo: Tensor
    area: Tensor
    row: Tensor

    @property
    def kind(self) -> Kind:
        """Canvases of one kind can lie in one minibatch."""
        return self.trunk_sha256, *self.photo.shape[1:]


Kind = tuple[str, int, int]
"""Trunk, height and width."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    canvas: Canvas
    painted: Future[Tensor]


Turn = tuple[int, int]
"""Priority and order of submission; no two are alike."""


class Lanes:
    """Threads that paint what was submitted, by priority and then in order."""

    def __init__(self, paint: Paint, *, lanes: int, most: Callable[[int, int], int]) -> None:
        """``most`` gives how many pictures of a height and width are worth stacking, at least 1."""
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
        """Queue a picture; the future holds uint8 (3, H, W) and runs while a lane has the picture.

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
        """Cancel what nobody has begun to paint, and whatever is submitted from now on."""
        with self._changed:
            self._closed = True
            for heap in self._waiting.values():
                for _, waiting in heap:
                    waiting.painted.cancel()
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and wait for the threads to end."""
        self.stop()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while minibatch := self._take():
            self._fulfil(minibatch)

    def _fulfil(self, minibatch: list[_Waiting]) -> None:
        """Paint a minibatch; each picture alone where it fails for a reason nobody foresaw."""
        try:
            photos = torch.stack([waiting.canvas.photo for waiting in minibatch])
            areas = torch.stack([waiting.canvas.area for waiting in minibatch])
            rows = torch.stack([waiting.canvas.row for waiting in minibatch])
            painted = self._paint(minibatch[0].canvas.trunk_sha256, photos, areas, rows)
        except BaseException as error:  # whatever it is belongs to who waits for the future
            if len(minibatch) > 1 and not isinstance(error, AtelierError):
                for waiting in minibatch:
                    self._fulfil([waiting])
                return
            for waiting in minibatch:
                waiting.painted.set_exception(error)
        else:
            for waiting, one in zip(minibatch, painted, strict=True):
                waiting.painted.set_result(one)

    def _take(self) -> list[_Waiting]:
        """Wait for work; return the first picture and those that stack with it, in turn. Empty when closed."""
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
