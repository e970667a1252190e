"""Workers that are killed, crash, hang or are told to stop."""

from __future__ import annotations

import random
import signal

from shared.queue.chunks import DEATHS_TO_BLAME
from tests.chaos.crew import Crew
from tests.chaos.worker_with_faults import STEPS

SHORT_LEASE_SECONDS = "5"
"""The shortest there is, of workers that are to lose it."""


def test_a_batch_survives_a_kill_at_every_step_and_at_random_moments(crew: Crew) -> None:
    batch = crew.submit(64)
    for step in STEPS:
        assert crew.gone(crew.start(step)), f"the worker went past {step}"
        crew.end_leases()
    chance = random.Random(64)
    for _ in range(3):
        pid = crew.start()
        crew.done(batch.id, min(batch.total, crew.batch(batch.id).done + chance.randint(1, 6)))
        crew.kill(pid)
        crew.end_leases()
    crew.start()
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id) == {"succeeded": 64, "failed": 0, "cancelled": 0}


def test_workers_join_and_leave_and_only_what_a_killed_one_held_is_done_twice(
    crew: Crew,
) -> None:
    """From the seventh chunk on, the first two hold on to each chunk until a gate opens: so both have some."""
    batch = crew.submit(72, marked=range(24, 72, 4))
    gates = [crew.folder / name for name in ("first", "second")]
    workers = []
    for gate in gates:
        workers.append(crew.start("hold", gate))
        crew.wait_until(gate.with_suffix(".reached").exists, "a marked image in hand")
    crew.send(workers[0], signal.SIGTERM)
    gates[0].touch()
    assert crew.gone(workers[0])
    crew.start()
    crew.done(batch.id, min(60, crew.batch(batch.id).done + 8))
    crew.kill(workers[1])
    crew.end_leases(workers[1])
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id)["succeeded"] == 72
    slots = crew.session.settings.slots
    assert 1 <= int(str(crew.scalar("SELECT sum(deaths) FROM chunks"))) <= slots
    largest = int(str(crew.scalar("SELECT max(last_ordinal - first_ordinal + 1) FROM chunks")))
    assert 72 <= crew.puts() <= 72 + slots * largest


def test_sigterm_gives_back_at_once_and_a_chunk_delivered_five_times_is_done_once(crew: Crew) -> None:
    batch = crew.submit(48)
    with crew.session.engine.connect() as connection:
        ids = connection.exec_driver_sql("SELECT id FROM chunks").scalars().all()
    crew.session.broker.publish((chunk_id, "bulk") for _ in range(5) for chunk_id in ids)
    pid = crew.start()
    crew.done(batch.id, 1)
    crew.kill(pid, signal.SIGTERM)
    assert crew.scalar("SELECT count(*) FROM chunks WHERE lease_expires_at IS NOT NULL OR deaths > 0") == 0
    assert crew.scalar("SELECT count(*) FROM workers") == 0
    crew.start()
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id)["succeeded"] == 48
    assert crew.puts() == 48


def test_an_image_that_kills_its_worker_fails_alone(crew: Crew) -> None:
    batch = crew.submit(24, marked=(5,))
    for _ in range(1 + DEATHS_TO_BLAME):  # once among others, then alone
        assert crew.gone(crew.start("crash"))
        crew.end_leases()
    crew.start("crash")
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id) == {"succeeded": 23, "failed": 1, "cancelled": 0}
    assert crew.scalar("SELECT code || ordinal FROM jobs WHERE state = 'failed'") == "crashed_worker5"


def test_an_image_that_hangs_ends_its_worker_and_is_done_by_the_next(crew: Crew) -> None:
    batch, hung = crew.submit(12, marked=(5,)), crew.folder / "hung"
    crew.environment["ATELIER_LEASE_SECONDS"] = SHORT_LEASE_SECONDS
    while not hung.exists():  # a slow machine may be silent for as long before it comes to that image
        assert crew.gone(crew.start("hang", hung))
        crew.end_leases()
    assert "stalled" in crew.log()
    del crew.environment["ATELIER_LEASE_SECONDS"]
    crew.start("hang", hung)
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id)["succeeded"] == 12


def test_an_image_that_meets_a_bug_is_tried_twice_and_fails_alone(crew: Crew) -> None:
    batch = crew.submit(12, marked=(5,))
    pid = crew.start("bug")
    crew.finished(batch.id)
    assert not crew.gone(pid, 0)
    assert crew.log().count("image_crashed") == 2
    assert crew.assert_end_state(batch.id) == {"succeeded": 11, "failed": 1, "cancelled": 0}
    assert crew.scalar("SELECT code FROM jobs WHERE state = 'failed'") == "internal_error"


def test_waiting_for_a_worker_that_is_silent_ends_with_the_lease(crew: Crew) -> None:
    """Nobody helps the clock here."""
    batch = crew.submit(4)
    crew.environment["ATELIER_LEASE_SECONDS"] = SHORT_LEASE_SECONDS
    assert crew.gone(crew.start("after-decode"))
    del crew.environment["ATELIER_LEASE_SECONDS"]
    crew.start()
    crew.wait_until(lambda: crew.scalar("SELECT max(deaths) FROM chunks") == 1, "the lease's end")
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id)["succeeded"] == 4
