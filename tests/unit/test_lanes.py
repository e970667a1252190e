"""Minibatches: who shares one, in which order, and that it makes no difference to a picture."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.waiting import LIMIT_SECONDS, wait_until
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.model.generator import Generator
from workers.runtime.minibatch_lanes import Canvas, Lanes
from workers.runtime.painter import Painter

CHECKPOINT = Checkpoint.load(Path(__file__).parents[2] / "shared" / "checkpoint")


class SmallMemory(Painter):
    """A painter whose device holds no more than so many pixels at once."""

    def __init__(self, pixels: int, minibatch: int) -> None:
        super().__init__(torch.device("cpu"), lambda _: CHECKPOINT.trunk, minibatch=minibatch)
        self.pixels = pixels
        self.tried: list[int] = []

    def _paint(self, generator: Generator, photos: Tensor, areas: Tensor, rows: Tensor) -> Tensor:
        self.tried.append(len(photos))
        if len(photos) * photos[0, 0].numel() > self.pixels:
            raise torch.OutOfMemoryError("no room")
        return super()._paint(generator, photos, areas, rows)


def canvas(number: int, *, side: int = 48, trunk: str = CHECKPOINT.trunk_sha256, white: bool = False) -> Canvas:
    """A picture unlike the others, in one of the styles."""
    dice = torch.Generator().manual_seed(number)
    photo = torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=dice)
    area = torch.full((1, side, side), 255, dtype=torch.uint8)
    if white:
        area[:, : side // 2] = 0
    names = sorted(CHECKPOINT.rows)
    return Canvas(trunk, photo, area, row_from_bytes(CHECKPOINT.rows[names[number % len(names)]]))


@pytest.fixture
def in_one_go() -> Iterator[tuple[list[list[int]], Lanes, threading.Event]]:
    """Lanes that begin when told to, and note the priorities (first pixel) they painted together."""
    begin, painted = threading.Event(), list[list[int]]()

    def paint(trunk: str, photos: Tensor, areas: Tensor, rows: Tensor) -> Tensor:
        begin.wait()
        painted.append([int(photo[0, 0, 0]) for photo in photos])
        return photos

    lanes = Lanes(paint, lanes=1, most=lambda height, width: 3)
    yield painted, lanes, begin
    begin.set()
    lanes.close()


def marked(number: int, side: int) -> Canvas:
    photo = torch.full((3, side, side), number, dtype=torch.uint8)
    return Canvas("trunk", photo, photo[:1], torch.zeros(4))


def test_pictures_of_one_size_share_a_minibatch_and_a_preview_enters_the_next(
    in_one_go: tuple[list[list[int]], Lanes, threading.Event],
) -> None:
    painted, lanes, begin = in_one_go
    first = lanes.submit(marked(0, 8), priority=1)
    wait_until(first.running, "the first picture on the device")
    waiting = [lanes.submit(marked(number, side), priority=1) for number, side in ((1, 8), (2, 16), (3, 8), (4, 8))]
    waiting.append(lanes.submit(marked(9, 16), priority=0))
    begin.set()
    for one in (first, *waiting):
        one.result(timeout=LIMIT_SECONDS)
    assert painted == [[0], [9, 2], [1, 3, 4]]


def test_a_picture_does_not_depend_on_who_shares_its_minibatch() -> None:
    """Of all styles, of shots on white and scenes, in fp32: within 1 of 255."""
    alone = Painter(torch.device("cpu"), lambda _: CHECKPOINT.trunk)
    together = Painter(torch.device("cpu"), lambda _: CHECKPOINT.trunk, minibatch=4)
    together.precision = alone.precision = torch.float32
    canvases = [canvas(number, side=(48, 64)[number % 2], white=number % 3 == 0) for number in range(16)]
    found = []
    for painter in (alone, together):
        lanes = Lanes(painter.paint, lanes=1, most=painter.most)
        futures = [lanes.submit(one, priority=1) for one in canvases]
        found.append([future.result(timeout=LIMIT_SECONDS).int() for future in futures])
        lanes.close()
    assert all((one - other).abs().max() <= 1 for one, other in zip(*found, strict=True))


def test_a_minibatch_too_large_for_the_memory_is_halved_and_the_size_remembered() -> None:
    painter = SmallMemory(pixels=3 * 48 * 48, minibatch=8)
    photos = [canvas(number) for number in range(8)]
    stacked = [torch.stack(parts) for parts in zip(*((c.photo, c.area, c.row) for c in photos), strict=True)]
    assert painter.most(48, 48) == 8
    painted = painter.paint(CHECKPOINT.trunk_sha256, *stacked)
    assert len(painted) == 8
    assert painter.most(48, 48) == 2
    assert painter.most(24, 24) == 8
    assert painter.most(96, 96) == 1
    tried = len(painter.tried)
    painter.paint(CHECKPOINT.trunk_sha256, *(part[:2] for part in stacked))
    assert painter.tried[tried:] == [2]
