"""``atelier run`` that is interrupted or killed, and goes on with the same command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from crew import photos
from recount import assert_nothing_lost
from sqlalchemy import text
from waiting import wait_until

from shared import embedded
from shared.context import Session, open_session
from shared.database import transaction
from shared.settings import Settings


def run(home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ATELIER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "producer.commands.main", *arguments],
        env=environment
        | {"ATELIER_HOME": str(home), "ATELIER_SWEEP_SECONDS": "0.5", "ATELIER_CHUNK_MEGAPIXELS": "0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def done_chunks(session: Session) -> dict[int, int]:
    """The lease number of each chunk that is done: it would grow if the chunk were taken again."""
    with transaction(session.engine) as connection:
        return dict(connection.execute(text("SELECT id, lease FROM chunks WHERE state = 'done'")).all())


def test_a_run_goes_on_after_ctrl_c_and_after_kill_9(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = ["run", str(photos(tmp_path / "photos", 40, side=320)), "-s", "udnie", "-o", str(tmp_path / "out")]
    with open_session(Settings(home=home), lasting=False) as session:
        first = run(home, *command)
        wait_until(lambda: len(done_chunks(session)) >= 2, "the first chunks")
        first.send_signal(signal.SIGINT)
        _, told = first.communicate()
        assert first.returncode == 130
        assert f"To continue: atelier {' '.join(command)}" in told
        before = done_chunks(session)
        assert list((tmp_path / "out").glob("*.jpg"))
        second = run(home, *command)
        wait_until(lambda: len(done_chunks(session)) > len(before), "more chunks")
        os.killpg(second.pid, signal.SIGKILL)
        second.communicate()
        third = run(home, *command, "--json")
        figures = json.loads(third.communicate()[0])
        assert third.returncode == 0
        assert (figures["succeeded"], figures["reused"]) == (40, 0)
        after = done_chunks(session)
        assert {chunk: after[chunk] for chunk in before} == before
        with transaction(session.engine) as connection:
            batch_id = connection.execute(text("SELECT id FROM batches")).scalar_one()
        assert_nothing_lost(session, batch_id)
    embedded.stop(home)
