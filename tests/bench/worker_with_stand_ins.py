"""A real worker whose fetching, codecs, generator and puts are stand-ins: what is left is the machinery.

    python -m tests.bench.worker_with_stand_ins [SECONDS]

The generator's stand-in waits ``SECONDS`` for each minibatch, 0 by default; the others return at once. Images
of web hosts are fetched: a bench's own host is slow where it wants that.
Each source gives other bytes and each rendition, too, so that nothing is reused.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import event
from sqlalchemy.engine import Engine
from torch import Tensor

from producer.commands.main import main as atelier
from shared.quality.gate import Quality
from shared.store.file import FileStore
from workers.fetch.sources import Sources
from workers.images.encode import Encoded
from workers.images.photo import Photo
from workers.runtime.painter import Painter
from workers.styling import complete, files, prepare

SIDE = 4
WEIGHT = np.full((SIDE, SIDE), 255, np.uint8)


def decode(data: bytes, *_: object) -> Photo:
    pixels = hashlib.blake2b(data, digest_size=3 * SIDE * SIDE).digest()
    return Photo(np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE, 3), None, "png")


def encode(rgb: np.ndarray, *_: object, **__: object) -> Encoded:
    return Encoded(rgb.tobytes(), "image/png", ".png", SIDE, SIDE)


def plant(seconds: float) -> None:
    """Put the stand-ins in the places of the real parts, in this process."""

    def paint(_: Painter, trunk: str, photos: Tensor, areas: Tensor, rows: Tensor) -> Tensor:
        time.sleep(seconds)
        return photos

    really = Sources.fetch

    def fetch(sources: Sources, merchant: int, source: str) -> bytes:
        return really(sources, merchant, source) if source.startswith("http") else source.encode()

    replace(Sources, fetch=fetch)
    replace(FileStore, put=lambda *_, **__: None)
    replace(Painter, paint=paint)
    replace(
        prepare,
        decode=decode,
        working_size=lambda *_, **__: (SIDE, SIDE),
        at_working_size=lambda photo, size, white: (photo.rgb, WEIGHT),
    )
    replace(
        complete,
        compose=lambda rgb, *_, **__: rgb,
        measure=lambda *_: Quality(0.0, 0.0, 1.0, 1.0),
    )
    replace(files, encode=encode)


def replace(owner: object, **stand_ins: Callable[..., object]) -> None:
    """Put functions in the places of those that a class or module has."""
    for name, stand_in in stand_ins.items():
        assert hasattr(owner, name)
        setattr(owner, name, stand_in)


def count() -> None:
    """Count what crosses the border to Postgres, and leave it in ``counted.json``."""
    counted: Counter[str] = Counter()

    def count_statement(_: object, __: object, statement: str, *___: object) -> None:
        counted["statements"] += 1
        counted["chunks"] += "lease = c.lease + 1" in statement

    def count_transaction(_: object) -> None:
        counted["transactions"] += 1

    event.listen(Engine, "before_cursor_execute", count_statement)
    event.listen(Engine, "begin", count_transaction)
    atexit.register(lambda: Path("counted.json").write_text(json.dumps(counted)))


def main() -> None:
    count()
    plant(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
    sys.argv = ["atelier", "worker", "--attached"]
    atelier()


if __name__ == "__main__":
    main()
