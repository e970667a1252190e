"""Hot queries keep their cost when the tables grow: none reads a large table from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, event, text

from shared.catalog.night_plan import NightPlan, Window
from shared.catalog.schedules import NightRules
from shared.context import Session
from shared.database import transaction
from shared.embedded import Services
from shared.merchants import quotas
from shared.operations import prune
from shared.queue import batches, chunks, dispatch, fleet, jobs, reconciler, renditions, retry, sweep
from shared.queue.batches import Batch
from shared.queue.chunks import Claim
from shared.queue.estimate import Rate
from shared.queue.jobs import Failed, PutBack
from shared.queue.outcomes import Outcome, Succeeded
from shared.queue.renditions import NewRendition, RenditionKey
from tests.builders import add_finished, add_large_night, add_waiting
from tests.query_plans import nodes, statements
from tests.sessions import fresh_session

LARGE = {"chunks", "jobs", "renditions", "job_renditions"}
JOBS = 8_000
KEY = RenditionKey("source", "look", "trunk", "jpeg")


@dataclass(frozen=True)
class World:
    """Filled tables: a batch that is over, the key of one of its renditions, and a chunk in hand of one that waits."""

    session: Session
    over: Batch
    known: RenditionKey
    claim: Claim


@pytest.fixture(scope="module")
def world(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with fresh_session(services, tmp_path_factory.mktemp("plans")) as session:
        with transaction(session.engine) as connection:
            over = add_finished(connection, "past", JOBS, chunk_jobs=4)
        with session.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("VACUUM (ANALYZE)"))
        with transaction(session.engine) as connection:  # as most batches do, these come after the last ANALYZE
            for number in range(4):
                waiting = add_waiting(connection, f"shop-{number}", JOBS // 4, chunk_jobs=4)
            fleet.register(connection, uuid4(), "cpu", 3)
            chunk = connection.execute(
                text("SELECT min(id) FROM chunks WHERE batch_id = :id"), {"id": waiting.id}
            ).scalar_one()
            claim = chunks.claim(connection, chunk, uuid4(), 60)
            assert claim
            columns = text("SELECT source_sha256, look_sha256, trunk_sha256, preset FROM renditions LIMIT 1")
            known = RenditionKey(*connection.execute(columns).one())
        yield World(session, over, known, claim)


def finish(connection: Connection, world: World) -> None:
    made = NewRendition(KEY, "renditions/1", "sha256", 1, 1, 1)
    outcomes: list[Outcome] = [Succeeded(0, [KEY], [made]), Succeeded(1, [world.known], []), Failed(2, "x", "x")]
    assert chunks.finish(connection, world.claim, [*outcomes, PutBack(3, 1.0)], 60)


def claim_next(connection: Connection, world: World) -> None:
    assert chunks.claim(connection, world.claim.chunk_id + 1, uuid4(), 60)


def read_queued(connection: Connection, world: World) -> None:
    assert jobs.queued_jobs(connection, world.claim.batch.id, 100, 163)


def look_up(connection: Connection, world: World) -> None:
    renditions.find_renditions(connection, world.claim.batch.merchant_id, [KEY] * 64)


def retry_failed(connection: Connection, world: World) -> None:
    page = jobs.failed_ordinals(connection, world.over.id, (), after=JOBS // 2, limit=30)
    assert retry.retry_page(connection, world.over.id, page) == len(page) == 30


def discard_failed(connection: Connection, world: World) -> None:
    page = jobs.failed_ordinals(connection, world.over.id, ("unreadable_image",), after=-1, limit=30)
    assert retry.discard_page(connection, world.over.id, page) == len(page) == 30


def find_stranded(connection: Connection, world: World) -> None:
    sample = reconciler.Sample(world.claim.batch.id, 400, 799, whole=False)
    assert reconciler.stranded(connection, sample) == []


def page_failed(connection: Connection, world: World) -> None:
    page = jobs.failed_jobs(connection, world.over.id, after=JOBS // 2, limit=30)
    assert len(page) == 30
    assert all(one.ordinal > JOBS // 2 for one in page)


def read_results(connection: Connection, world: World) -> None:
    assert jobs.results_between(connection, world.over.id, 0, 63)


def prune_renditions(connection: Connection, world: World) -> None:
    ids = prune.unlink(connection, world.over.id, 63)
    assert len(prune.remove_renditions(connection, ids)) == len(ids) > 60


HOT: dict[str, Callable[[Connection, World], object]] = {
    "claim": claim_next,
    "queued jobs": read_queued,
    "look up renditions": look_up,
    "finish": finish,
    "release": lambda connection, world: chunks.release(connection, world.claim),
    "dispatch": lambda connection, _: dispatch.fill(connection),
    "expire leases": lambda connection, _: chunks.expire_leases(connection),
    "cancel stragglers": lambda connection, _: sweep.cancel_stragglers(connection),
    "withdraw paused": lambda connection, _: chunks.withdraw_paused(connection),
    "status": lambda connection, world: batches.get_batch(connection, world.over.id),
    "list batches": lambda connection, world: batches.list_batches(connection, world.over.merchant_id, 20),
    "list older batches": lambda connection, world: batches.list_batches(
        connection, world.over.merchant_id, 20, before=world.over.id
    ),
    "quota": lambda connection, world: quotas.find_quota(connection, world.over.merchant_id),
    "retry a page": retry_failed,
    "discard a page": discard_failed,
    "stalled batches": lambda connection, _: reconciler.stalled(connection),
    "stranded jobs": find_stranded,
    "page of failed jobs": page_failed,
    "cancel": lambda connection, world: chunks.cancel_unleased(connection, world.claim.batch.id),
    "results": read_results,
    "prune": prune_renditions,
}


@pytest.mark.parametrize("name", HOT)
def test_no_hot_query_reads_a_large_table_from_end_to_end(world: World, name: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        asked.append((statement, parameters))

    with world.session.engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        HOT[name](connection, world)
        connection.rollback()
        event.remove(connection, "before_cursor_execute", note)
        assert asked
        for statement, parameters in asked:
            if not statement.lstrip().startswith("INSERT INTO workers"):
                (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
                assert read_whole(plan["Plan"]) & LARGE == set(), f"{statement}\n{json.dumps(plan, indent=1)}"
        connection.rollback()


def read_whole(node: dict[str, Any]) -> set[str]:
    """Tables of which a plan reads everything, or everything of a batch."""
    table = str(node.get("Relation Name"))
    found = {table} if node["Node Type"] == "Seq Scan" else set()
    if table == "jobs" and node.get("Index Name") == "pk_jobs" and "ordinal" not in node["Index Cond"]:
        found = {table}
    return found.union(*(read_whole(child) for child in node.get("Plans", [])))


def test_a_page_of_64_jobs_is_finished_in_as_many_statements_as_one_of_2(session: Session) -> None:
    counts: list[int] = []
    for jobs_in_page in (2, 64):
        with transaction(session.engine) as connection:
            batch = add_waiting(connection, "shop", jobs_in_page)
            chunk = connection.execute(
                text("SELECT id FROM chunks WHERE batch_id = :id"), {"id": batch.id}
            ).scalar_one()
            claim = chunks.claim(connection, chunk, uuid4(), 60)
            assert claim
            sent: list[str] = []
            event.listen(connection, "before_cursor_execute", lambda *a, into=sent: into.append(a[2]))
            outcomes = []
            for n in range(jobs_in_page):
                key = RenditionKey(f"{batch.id}-{n}", "look", "trunk", "jpeg")
                outcomes.append(Succeeded(n, [key], [NewRendition(key, f"renditions/{n}", "sha256", 1, 1, 1)]))
            assert chunks.finish(connection, claim, outcomes, 60)
            chunks.release(connection, claim)
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 10


def test_a_batch_of_40_chunks_is_cancelled_in_as_many_statements_as_one_of_1(session: Session) -> None:
    counts: list[int] = []
    for number in (2, 80):
        with transaction(session.engine) as connection:
            batch = add_waiting(connection, "shop", number, chunk_jobs=2)
        with statements(session.engine) as sent, transaction(session.engine) as connection:
            assert chunks.cancel_batch(connection, batch.id) == number
        counts.append(len(sent))
        with transaction(session.engine) as connection:
            ended = batches.get_batch(connection, batch.id)
            assert (ended.state, ended.cancelled, ended.finished_at is None) == ("cancelled", number, False)
    assert counts[0] == counts[1]


def test_a_night_is_planned_beside_a_large_one_without_going_through_it_for_each_image(session: Session) -> None:
    """Also where that came after the last ANALYZE, and with little memory."""
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 64, queue="nightly")
        add_large_night(connection, batch, images=2_000)
    with statements(session.engine) as sent, transaction(session.engine, merchant=batch.merchant_id) as connection:
        connection.execute(text("SET LOCAL work_mem = '64kB'"))
        window = Window(batch.merchant_id, NightRules(), batch.created_at)
        assert NightPlan.make(connection, window, Rate(None, 1), session.settings).stale.total == 1_000
        ((statement, parameters),) = [one for one in sent if "CREATE TEMPORARY TABLE stale" in one[0]]
        explained = "EXPLAIN (FORMAT JSON) " + statement[statement.index("WITH assigned") :]
        (found,) = connection.exec_driver_sql(explained, parameters).scalar_one()
    plan = json.dumps(found)
    assert "SubPlan" not in plan
    joins = [node for node in nodes(found["Plan"]) if "Anti" in node.get("Join Type", "")]
    assert [node["Node Type"] for node in joins] in (["Hash Join"], ["Merge Join"])


def test_as_many_chunks_are_read_as_are_dispatched_however_many_wait(session: Session) -> None:
    with transaction(session.engine) as connection:
        fleet.register(connection, uuid4(), "cpu", 3)
        for number in range(20):
            add_waiting(connection, f"shop-{number}", 300, chunk_jobs=4)
        lines = dispatch.waiting_lines(connection, 6)
        assert sum(len(chunks) for chunks in lines["bulk"].waiting.values()) == 40
        assert len(dispatch.fill(connection)) == 6


def test_a_merchant_with_a_place_far_ahead_is_served_beyond_the_few_chunks_read_at_first(session: Session) -> None:
    with transaction(session.engine) as connection:
        for number in range(20):
            batch = add_waiting(connection, f"shop-{number}", 40, chunk_jobs=4)
        others = connection.execute(
            text("INSERT INTO fair_shares SELECT id, 'bulk', 1000 FROM merchants WHERE id <> :last RETURNING 1"),
            {"last": batch.merchant_id},
        )
        assert len(others.all()) >= 19
        line = dispatch.waiting_lines(connection, 8)["bulk"]
        line.times = {merchant: 0.0 if merchant == batch.merchant_id else 1000.0 for merchant in line.waiting}
        taken = line.take(8)
        owners = connection.execute(
            text("SELECT DISTINCT merchant_id FROM chunks WHERE id = ANY(:ids)"), {"ids": taken}
        ).scalars()
        assert list(owners) == [batch.merchant_id]
        assert taken == sorted(set(taken))
        assert len(taken) == 8
