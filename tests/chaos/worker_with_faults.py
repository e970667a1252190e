"""Real workers for the tests: each line read from stdin starts one, with a fault planted in it.

    {"fault": …, "argument": …, "folder": …, "environment": {…}}

Everything is imported once and each worker forked from that, so that a new one takes no seconds to
start. Faults wrap plain functions of the product, which knows nothing of them. An image is marked by
``MARK`` at the end of its file.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from producer.commands.main import main as atelier
from shared.queue import chunks, renditions
from shared.store import ObjectStore
from shared.store.file import FileStore
from shared.store.s3 import S3Store
from tests.chaos.other_host import move_to
from workers.process import trainer, worker
from workers.runtime import painter
from workers.styling import prepare, tasks
from workers.styling import stylize_chunk as stylize
from workers.training import comparing, retraining

MARK = b"marked by a test"

Hook = Callable[..., Any]


def wrap(owner: Any, name: str, *, before: Hook | None = None, after: Hook | None = None) -> None:
    """Call hooks with a function's arguments before it begins or after it has ended."""
    plain = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            before(*args, **kwargs)
        result = plain(*args, **kwargs)
        if after:
            after(*args, **kwargs)
        return result

    setattr(owner, name, wrapped)


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def only_marked(act: Callable[[], None]) -> Hook:
    return lambda data, limits: act() if data.endswith(MARK) else None


def hang_once(flag: Path) -> None:
    if not flag.exists():
        flag.touch()
        time.sleep(3600)


def hold(gate: Path) -> None:
    """Say that the image is in hand, and go on when the test opens the gate."""
    gate.with_suffix(".reached").touch()
    while not gate.exists():
        time.sleep(0.01)


def fail() -> None:
    raise ZeroDivisionError("a bug that one image finds")


def lose_device(flag: Path) -> None:
    """Fail once, as CUDA does for good."""
    if not flag.exists():
        flag.touch()
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def stand_still(flag: Path) -> None:
    """Stop once, until a test lets the process go on."""
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGSTOP)


def let_clock_jump() -> None:
    """Let the clock of this process be wrong by days, another way each time it is read."""
    true, jumps = time.time, itertools.cycle((0, 86_400, -86_400, 3600))
    time.time = lambda: true() + next(jumps)


def work_as_next_release() -> None:
    """Let renditions say that another release has made them."""
    renditions.PIPELINE_VERSION += 1


STEPS: dict[str, Callable[[], None]] = {
    "after-pop": lambda: wrap(tasks, "stylize_chunk", before=die),
    "after-claim": lambda: wrap(stylize, "_work", before=die),
    "after-decode": lambda: wrap(prepare, "decode", after=die),
    "after-inference": lambda: wrap(painter.Painter, "paint", after=die),
    "after-put": lambda: wrap(FileStore, "put", after=die),
    "before-commit": lambda: wrap(chunks, "finish", after=die),
    "before-release": lambda: wrap(chunks, "release", before=die),
}


TRAINER_STEPS: dict[str, Callable[[], None]] = {
    "dies-comparing": lambda: wrap(comparing, "measure_pair", after=die),
}

OTHERS: dict[str, Callable[[], None]] = {"jumping-clock": let_clock_jump, "next-release": work_as_next_release}


def plant(fault: str, argument: str) -> None:
    """Plant a fault in this process."""
    match fault:
        case "none":
            return
        case "crash":
            wrap(prepare, "decode", before=only_marked(lambda: os._exit(1)))
        case "hang":
            wrap(prepare, "decode", before=only_marked(lambda: hang_once(Path(argument))))
        case "hold":
            wrap(prepare, "decode", before=only_marked(lambda: hold(Path(argument))))
        case "bug":
            wrap(prepare, "decode", before=only_marked(fail))
        case "lost-device":
            wrap(painter.Painter, "_paint", before=lambda *_: lose_device(Path(argument)))
        case "stand-still":
            wrap(chunks, "finish", after=lambda *_: stand_still(Path(argument)))
        case "dies-training":
            retraining.RENEW_SECONDS = -1.0  # tells of every step
            wrap(retraining, "_note", after=lambda _, __, step, *___: die() if step == int(argument) else None)
        case "other-host":
            move_to(argument)
        case _:
            (STEPS | TRAINER_STEPS | OTHERS)[fault]()


def record_puts(log: Path) -> None:
    """Write a line for every rendition stored, so that work done twice can be counted."""

    def note(_: ObjectStore, key: str, *args: Any, **kwargs: Any) -> None:
        with log.open("a") as lines:
            lines.write(key + "\n")

    for store in (FileStore, S3Store):
        wrap(store, "put", before=note)


def main() -> None:
    assert worker  # imported for its own sake, with torch
    assert trainer
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            folder = Path(wanted["folder"])
            os.environ |= wanted["environment"]
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            log = os.open(folder / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            record_puts(folder / "puts.log")
            plant(wanted["fault"], wanted["argument"])
            sys.argv = ["atelier", *wanted["command"].split()]
            try:
                atelier()
            except SystemExit as end:
                (folder / f"{os.getpid()}.exit").write_text(str(end.code))
                raise
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
