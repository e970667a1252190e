"""Workers whose device, clock or sense of time fails, and several of what should be one."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

from shared.queue.sweep import sweep
from tests.chaos.crew import Crew
from workers.process.worker import EXIT_DEVICE_LOST


def test_a_worker_whose_device_failed_ends_in_order_and_its_successor_goes_on(crew: Crew) -> None:
    batch = crew.submit(24)
    pid = crew.start("lost-device", crew.folder / "lost")
    assert crew.gone(pid)
    assert (crew.folder / f"{pid}.exit").read_text() == str(EXIT_DEVICE_LOST)
    assert crew.scalar("SELECT count(*) FROM chunks WHERE lease_expires_at IS NOT NULL OR deaths > 0") == 0
    assert crew.batch(batch.id).failed == 0
    crew.start("lost-device", crew.folder / "lost")
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id) == {"succeeded": 24, "failed": 0, "cancelled": 0}


def test_a_clock_that_jumps_by_days_changes_nothing(crew: Crew) -> None:
    batch = crew.submit(32)
    pid = crew.start("jumping-clock")
    crew.start()
    crew.finished(batch.id)
    assert not crew.gone(pid, 0)
    assert crew.assert_end_state(batch.id) == {"succeeded": 32, "failed": 0, "cancelled": 0}
    assert crew.scalar("SELECT sum(deaths) FROM chunks") == 0


def test_a_worker_that_wakes_after_its_leases_were_given_away_changes_nothing(crew: Crew) -> None:
    """It stands still within a transaction, so that it has locks that others need, for as long as its lease is."""
    batch, stood = crew.submit(48), crew.folder / "stood"
    crew.environment["ATELIER_LEASE_SECONDS"] = "5"
    while not stood.exists():  # a slow machine may be silent for as long before it comes to that
        sleeper = crew.start("stand-still", stood)
        crew.wait_until(lambda: stood.exists() or crew.gone(sleeper, 0), "the standstill")  # noqa: B023 - at once
    del crew.environment["ATELIER_LEASE_SECONDS"]
    crew.start()
    crew.finished(batch.id)
    before = crew.scalar("SELECT json_agg(j ORDER BY ordinal) FROM jobs j")
    crew.send(sleeper, signal.SIGCONT)
    crew.wait_until(lambda: "service_unavailable" in crew.log() or crew.gone(sleeper, 0), "the sleeper's notice")
    crew.kill(sleeper, signal.SIGTERM)  # what it had in hand may still come to the store
    assert crew.scalar("SELECT json_agg(j ORDER BY ordinal) FROM jobs j") == before
    assert crew.assert_end_state(batch.id) == {"succeeded": 48, "failed": 0, "cancelled": 0}


def test_two_beats_and_many_sweeps_at_once_return_each_lost_chunk_once(crew: Crew) -> None:
    batch = crew.submit(40)
    beats = [crew.start(command="beat") for _ in range(2)]
    dead = crew.start("after-decode")
    assert crew.gone(dead)
    leased = crew.scalar("SELECT count(*) FROM chunks WHERE lease_expires_at IS NOT NULL")
    crew.end_leases()
    session = crew.session
    with ThreadPoolExecutor(8) as pool:
        expired = sum(found.expired for found in pool.map(lambda _: sweep(session.engine, session.broker), range(24)))
    assert expired == leased == crew.scalar("SELECT sum(deaths) FROM chunks")
    crew.start()
    crew.finished(batch.id)
    assert not any(crew.gone(pid, 0) for pid in beats)
    assert crew.assert_end_state(batch.id) == {"succeeded": 40, "failed": 0, "cancelled": 0}
