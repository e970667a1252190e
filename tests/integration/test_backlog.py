"""What beat tells of the whole installation."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from prometheus_client import CollectorRegistry
from sqlalchemy import event, text

from shared.broker import Broker
from shared.context import Session
from shared.database import make_engine, transaction
from shared.operations.backlog import Backlog
from shared.queue import fleet
from shared.queue.dispatch import dispatch
from tests.builders import add_waiting


def told(session: Session) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(Backlog(session.engine, session.broker))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_the_backlog_is_told_by_queue_and_state_whatever_is_paused(session: Session) -> None:
    with transaction(session.engine) as connection:
        add_waiting(connection, "one", 20, chunk_jobs=5)
        add_waiting(connection, "two", 10, queue="nightly", chunk_jobs=5)
        paused = add_waiting(connection, "two", 7)
        fleet.register(connection, uuid4(), "cpu", 1)
        connection.execute(text("UPDATE batches SET paused = true WHERE id = :id"), {"id": paused.id})
        connection.execute(
            text("UPDATE chunks SET next_attempt_at = clock_timestamp() - interval '90 s' WHERE queue = 'bulk'")
        )
    dispatch(session.engine, session.broker)
    found = told(session)
    assert found["atelier_jobs", "bulk", "queued"] == 27
    assert found["atelier_jobs", "nightly", "queued"] == 10
    assert found["atelier_running_batches", "bulk", "no"] == 1
    assert found["atelier_running_batches", "bulk", "yes"] == 1
    assert 90 <= found["atelier_queue_age_seconds", "bulk"] < 600
    assert found["atelier_queue_age_seconds", "preview"] == 0
    window = sum(found["atelier_dispatched_chunks", queue, "unclaimed"] for queue in ("bulk", "nightly"))
    assert window == found["atelier_messages", "bulk"] == 2
    assert found["atelier_workers",] == found["atelier_worker_slots",] == 1
    assert found["atelier_service_up", "postgres"] == found["atelier_service_up", "redis"] == 1


def test_a_service_that_is_away_is_a_figure_and_the_other_is_told_nevertheless(session: Session) -> None:
    no_redis = replace(session, broker=Broker("redis://127.0.0.1:1/0"))
    found = told(no_redis)
    assert found["atelier_service_up", "redis"] == 0
    assert found["atelier_service_up", "postgres"] == 1
    engine = make_engine("postgresql://nobody@127.0.0.1:1/none")
    found = told(replace(session, engine=engine))
    engine.dispose()
    assert found["atelier_service_up", "postgres"] == 0
    assert found["atelier_service_up", "redis"] == 1


def test_a_scrape_takes_three_statements_however_many_batches_run(session: Session) -> None:
    with transaction(session.engine) as connection:
        for number in range(5):
            add_waiting(connection, f"m{number}", 3)
    asked: list[str] = []
    event.listen(session.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    told(session)
    assert len([one for one in asked if "SELECT" in one]) == 3
