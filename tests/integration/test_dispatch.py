"""Who is served next, and what an outage of Redis does to a submission."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.broker import Broker
from shared.context import Session
from shared.database import transaction
from shared.errors import BrokerUnavailable
from shared.look import Look
from shared.queue import chunks, fleet
from shared.queue.dispatch import WINDOW_PER_SLOT, Line, dispatch, shares, under_way
from shared.queue.jobs import Failed
from shared.queue.sweep import sweep
from tests.builders import add_waiting

LOOK = Look((("starry-night", 1.0),))
WORKER = uuid4()
SLOTS = 3


def submit(session: Session, folder: Path, merchant: str, number: int, queue: str = "bulk") -> None:
    """Submit images by address, in chunks of one."""
    folder.mkdir(exist_ok=True)
    manifest = folder / f"{merchant}-{queue}.csv"
    manifest.write_text("sku,image\n" + "".join(f"{n},https://photos.example/{n}.jpg\n" for n in range(number)))
    single = replace(session, settings=session.settings.model_copy(update={"chunk_megapixels": 0.001}))
    submit_batch(single, Order(merchant, open_manifest([str(manifest)]), (LOOK,), queue=queue))


def work(session: Session, most: int) -> list[tuple[str, str]]:
    """Take chunks as Redis hands them out and finish each; return (merchant, queue) in that order."""
    served: list[tuple[str, str]] = []
    call(session)
    while len(served) < most and (chunk_id := fetch(session)):
        with transaction(session.engine) as connection:
            claim = chunks.claim(connection, chunk_id, WORKER, 60)
            assert claim
            connection.execute(  # of equal length to Postgres, whatever this machine is busy with
                text("UPDATE chunks SET claimed_at = claimed_at - interval '1 minute' WHERE id = :id"),
                {"id": chunk_id},
            )
            refused = [Failed(n, "source_refused", "as if") for n in range(claim.first_ordinal, claim.last_ordinal + 1)]
            chunks.finish(connection, claim, refused, 60)
            chunks.release(connection, claim)
            name = connection.execute(
                text("SELECT name FROM merchants WHERE id = :id"), {"id": claim.batch.merchant_id}
            ).scalar_one()
        served.append((name, claim.batch.queue))
        call(session)
    return served


def call(session: Session) -> None:
    """Say that the worker is alive, and let dispatch fill the window."""
    with transaction(session.engine) as connection:
        fleet.register(connection, WORKER, "cpu", SLOTS)
    dispatch(session.engine, session.broker)


def fetch(session: Session) -> int | None:
    """Take the next message as a worker does: from the first queue that has one."""
    with session.broker.app.connection_for_read() as connection:
        for queue in ("preview", "bulk"):
            with connection.SimpleQueue(queue) as messages:
                try:
                    message = messages.get_nowait()
                except messages.Empty:
                    continue
                message.ack()
                return int(message.payload[0][0])
    return None


def test_200_chunks_of_one_merchant_delay_5_of_another_only_by_the_window(session: Session, tmp_path: Path) -> None:
    submit(session, tmp_path, "large", 200)
    with transaction(session.engine) as connection:
        fleet.register(connection, WORKER, "cpu", SLOTS)
    dispatch(session.engine, session.broker)
    submit(session, tmp_path, "small", 5)
    served = [merchant for merchant, _ in work(session, 20)]
    last = max(n for n, merchant in enumerate(served) if merchant == "small")
    assert served.count("small") == 5
    assert last < 2 * SLOTS + 2 * 5


def test_each_chunk_of_a_small_merchant_waits_for_one_of_every_other_merchant(session: Session) -> None:
    """In the order of their coming, each has a thousand times, a hundred times or once the chunks of the last."""
    sizes = {"large": 1000, "middle": 10, "small": 1}
    with transaction(session.engine) as connection:
        for merchant, size in sizes.items():
            add_waiting(connection, merchant, size, chunk_jobs=1)
            fleet.register(connection, WORKER, "cpu", SLOTS)
    served = [merchant for merchant, _ in work(session, 60)]
    for merchant in ("middle", "small"):
        last = max(n for n, name in enumerate(served) if name == merchant)
        assert served.count(merchant) == sizes[merchant]
        assert last < len(sizes) * sizes[merchant] + WINDOW_PER_SLOT * SLOTS


def test_redis_holds_no_more_for_a_hundred_thousand_jobs_than_for_ten(session: Session) -> None:
    def held(jobs: int) -> tuple[int, int]:
        with transaction(session.engine) as connection:
            add_waiting(connection, f"with-{jobs}", jobs, chunk_jobs=1)
        call(session)
        with session.broker.app.connection_for_read() as connection:
            client = connection.default_channel.client
            return session.broker.waiting(), sum(client.memory_usage(key) for key in client.scan_iter())

    messages, size = held(10)
    more_messages, more = held(100_000)
    assert messages == more_messages == WINDOW_PER_SLOT * SLOTS
    assert more < 1.1 * size < 2048 * WINDOW_PER_SLOT * SLOTS


def test_a_merchant_who_comes_back_has_no_credit_for_the_time_away(session: Session, tmp_path: Path) -> None:
    submit(session, tmp_path, "away", 1)
    work(session, 1)
    submit(session, tmp_path, "steady", 60)
    work(session, 30)
    submit(session, tmp_path / "again", "away", 30)
    served = [merchant for merchant, _ in work(session, 26)][2 * SLOTS :]
    assert abs(served.count("away") - served.count("steady")) <= 2


def test_nightly_gets_about_a_tenth_while_bulk_waits_and_all_of_it_afterwards(session: Session, tmp_path: Path) -> None:
    submit(session, tmp_path, "night", 40, queue="nightly")
    submit(session, tmp_path, "day", 60, queue="bulk")
    served = [queue for _, queue in work(session, 100)]
    while_both_wait = served[2 * SLOTS : 50]
    assert 3 <= while_both_wait.count("nightly") <= 12
    assert served.count("nightly") == 40
    with transaction(session.engine) as connection:
        assert under_way(connection).nightly == 0


def test_a_preview_overtakes_what_is_in_the_window(session: Session, tmp_path: Path) -> None:
    submit(session, tmp_path, "large", 30)
    work(session, 5)
    submit(session, tmp_path, "eager", 1, queue="preview")
    assert work(session, 1) == [("eager", "preview")]


def test_a_share_of_the_window_is_kept_for_nightly_only_as_far_as_it_is_not_used() -> None:
    assert shares(slots=10, room=5, nightly=0)[0] == ("nightly", 3)
    assert shares(slots=10, room=5, nightly=3)[0] == ("nightly", 0)
    assert Line().take(3) == []


def test_a_submission_while_redis_is_down_is_accepted_with_a_warning_and_sent_later(
    session: Session, tmp_path: Path
) -> None:
    with transaction(session.engine) as connection:
        fleet.register(connection, WORKER, "cpu", SLOTS)
    down = Broker(f"redis+socket://{tmp_path}/nobody.sock")
    (tmp_path / "rows.csv").write_text("sku,image\n1,https://photos.example/1.jpg\n")
    order = Order("shop", open_manifest([str(tmp_path / "rows.csv")]), (LOOK,))
    submission = submit_batch(replace(session, broker=down), order)
    assert submission.batch.intake == "sealed"
    assert ["accepted, but" in warning for warning in submission.warnings] == [True]
    with pytest.raises(BrokerUnavailable):
        sweep(session.engine, down)
    down.app.close()
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE chunks SET dispatched_at = clock_timestamp() - interval '1 minute'"))
    assert sweep(session.engine, session.broker).republished == 1
    assert session.broker.waiting() == 1


def test_a_worker_that_was_forgotten_counts_again_with_its_next_heartbeat(session: Session) -> None:
    with transaction(session.engine) as connection:
        fleet.register(connection, WORKER, "cpu", SLOTS)
        connection.execute(text("UPDATE workers SET heartbeat_at = clock_timestamp() - interval '1 day'"))
        assert under_way(connection).slots == 0
        assert fleet.forget_dead(connection) == 1
        fleet.register(connection, WORKER, "cpu", SLOTS)
        assert under_way(connection).slots == SLOTS
