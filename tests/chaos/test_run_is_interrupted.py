"""``atelier run`` that is interrupted or killed, and goes on with the same command."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from sqlalchemy import text

from shared import embedded
from shared.context import Session, open_session
from shared.database import transaction
from shared.settings import Settings
from tests.chaos.crew import photos
from tests.invariants import assert_nothing_lost
from tests.processes import start_atelier
from tests.waiting import wait_until


def done_chunks(session: Session) -> dict[int, int]:
    """The lease number of each chunk that is done: it would grow if the chunk were taken again."""
    with transaction(session.engine) as connection:
        return dict(connection.execute(text("SELECT id, lease FROM chunks WHERE state = 'done'")).all())


def test_a_run_goes_on_after_ctrl_c_and_after_kill_9(tmp_path: Path) -> None:
    home, images = tmp_path / "home", 28
    command = ["run", str(photos(tmp_path / "photos", images, side=640)), "-s", "udnie", "-o", str(tmp_path / "out")]
    small_chunks = {"ATELIER_CHUNK_MEGAPIXELS": "0.9"}  # two images each, so that most are left at each signal
    with open_session(Settings(home=home), lasting=False) as session:
        first = start_atelier(home, *command, **small_chunks)
        wait_until(lambda: len(done_chunks(session)) >= 2, "the first chunks")
        first.send_signal(signal.SIGINT)
        _, told = first.communicate()
        assert first.returncode == 130
        assert f"To continue: atelier {' '.join(command)}" in told
        before = done_chunks(session)
        assert list((tmp_path / "out").glob("*.jpg"))
        second = start_atelier(home, *command, **small_chunks)
        wait_until(lambda: len(done_chunks(session)) > len(before), "more chunks")
        os.killpg(second.pid, signal.SIGKILL)
        second.communicate()
        third = start_atelier(home, *command, "--json", **small_chunks)
        figures = json.loads(third.communicate()[0])
        assert third.returncode == 0
        assert (figures["succeeded"], figures["reused"]) == (images, 0)
        after = done_chunks(session)
        assert {chunk: after[chunk] for chunk in before} == before
        with transaction(session.engine) as connection:
            batch_id = connection.execute(text("SELECT id FROM batches")).scalar_one()
        assert_nothing_lost(session, batch_id)
    embedded.stop(home)
