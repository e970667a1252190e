"""A real worker over pictures of one's own: what several benches measure."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from PIL import Image

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.look import Look
from shared.queue import batches
from tests.bench.installation import ROOT, environment_of

STYLE = "great-wave"


def pictures(sizes: tuple[tuple[int, int], ...], number: int) -> list[bytes]:
    """Sample products as JPEGs of these sizes, no two of them alike."""
    samples = [Image.open(path).convert("RGB") for path in sorted((ROOT / "samples" / "photos").glob("*.jpg"))]
    found = []
    for n in range(number):
        picture = samples[n % len(samples)].resize(sizes[n % len(sizes)])
        picture.putpixel((1, 1), (n % 256, n // 256, 0))
        buffer = io.BytesIO()
        picture.save(buffer, "jpeg", quality=90, comment=str(n))
        found.append(buffer.getvalue())
    return found


@contextmanager
def warm_worker(session: Session) -> Iterator[int]:
    """Run a real worker, its generator warm, until the end of the block; yield its process id."""
    home = session.settings.home
    environment = environment_of(session, home)
    command = [sys.executable, "-m", "producer.commands.main", "worker", "--attached"]
    with (home / "worker.log").open("w") as log:
        worker = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log)
    try:
        batch = submit(session, home / "warm", pictures(((64, 64),), 4))
        while done(session, batch) < 4:
            time.sleep(0.05)
        yield worker.pid
    finally:
        worker.terminate()
        worker.communicate()


def submit(session: Session, folder: Path, found: list[bytes], queue: str = "bulk") -> UUID:
    """Write pictures into a folder and submit it; the number of its batch."""
    write(folder, found)
    order = Order("bench", open_manifest([str(folder)]), (Look(((STYLE, 1.0),)),), queue=queue)
    return submit_batch(session, order).batch.id


def write(folder: Path, found: list[bytes]) -> None:
    folder.mkdir()
    for n, data in enumerate(found):
        (folder / f"{n:05}.jpg").write_bytes(data)


def done(session: Session, batch: UUID) -> int:
    with transaction(session.engine) as connection:
        return batches.get_batch(connection, batch).done
