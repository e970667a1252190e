"""The lease: who has a chunk, and what becomes of its jobs when that goes wrong."""

from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import text

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import LeaseLost, NotFound, UnknownStyle
from shared.look import Look
from shared.queue import batches, chunks, fleet
from shared.queue.batches import Batch
from shared.queue.chunks import Claim
from shared.queue.dispatch import dispatch
from shared.queue.jobs import Failed, PutBack
from shared.queue.retry import retry_batch
from shared.queue.sweep import sweep

LOOK = Look((("starry-night", 1.0),))
WORKER = uuid4()


def submit(session: Session, folder: Path, images: int = 3, merchant: str = "shop") -> Batch:
    folder.mkdir()
    for number in range(images):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / f"{number}.png")
    return submit_batch(session, Order(merchant, open_manifest([str(folder)]), (LOOK,))).batch


def only_chunk(session: Session) -> int:
    with transaction(session.engine) as connection:
        return int(connection.execute(text("SELECT id FROM chunks")).scalar_one())


def take(session: Session, chunk_id: int) -> Claim | None:
    with transaction(session.engine) as connection:
        return chunks.claim(connection, chunk_id, WORKER, 60)


def claimed(session: Session, chunk_id: int) -> Claim:
    claim = take(session, chunk_id)
    assert claim is not None
    return claim


def look_again(session: Session, batch: Batch) -> Batch:
    with transaction(session.engine) as connection:
        found = batches.get_batch(connection, batch.id)
        states: dict[str, int] = dict(
            connection.execute(
                text("SELECT state, count(*) FROM jobs WHERE batch_id = :id GROUP BY state"), {"id": batch.id}
            ).all()
        )
    recount = [states.get(state, 0) for state in ("succeeded", "failed", "cancelled")]
    assert recount == [found.succeeded, found.failed, found.cancelled]
    return found


def expire(session: Session) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE chunks SET lease_expires_at = clock_timestamp() - interval '1 second'"))
        chunks.expire_leases(connection)


def test_a_submission_is_sealed_with_its_jobs_chunks_and_sources(session: Session, tmp_path: Path) -> None:
    batch = submit(session, tmp_path / "photos")
    assert (batch.intake, batch.state, batch.total) == ("sealed", "running", 3)
    assert len(list(session.store.list("sources/"))) == 3


def test_an_unknown_style_stores_nothing(session: Session, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    order = Order("shop", open_manifest([str(tmp_path / "a.png")]), (Look((("nope", 1.0),)),))
    with pytest.raises(UnknownStyle, match="starry-night"):
        submit_batch(session, order)
    with transaction(session.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM batches")).scalar_one() == 0


def test_the_same_order_again_goes_on_with_the_unfinished_batch(session: Session, tmp_path: Path) -> None:
    batch = submit(session, tmp_path / "photos")
    again = submit_batch(session, Order("shop", open_manifest([str(tmp_path / "photos")]), (LOOK,)))
    assert again.resumed
    assert again.batch.id == batch.id
    assert again.batch.total == 3


def test_a_batch_is_found_by_the_beginning_of_its_id_and_by_nothing_less(session: Session, tmp_path: Path) -> None:
    batch = submit(session, tmp_path / "photos")
    with transaction(session.engine) as connection:
        for wanted in (str(batch.id), str(batch.id)[:6].upper()):
            assert batches.find_batch(connection, batch.merchant_id, wanted).id == batch.id
        for wanted in ("", "%", "_", "\\", "zzz"):
            with pytest.raises(NotFound):
                batches.find_batch(connection, batch.merchant_id, wanted)


def test_only_one_worker_gets_a_chunk(session: Session, tmp_path: Path) -> None:
    submit(session, tmp_path / "photos")
    chunk = only_chunk(session)
    assert take(session, chunk) is not None
    assert take(session, chunk) is None


def test_a_worker_that_lost_its_lease_changes_nothing(session: Session, tmp_path: Path) -> None:
    batch = submit(session, tmp_path / "photos")
    late = claimed(session, only_chunk(session))
    expire(session)
    claimed(session, late.chunk_id)
    with pytest.raises(LeaseLost), transaction(session.engine) as connection:
        chunks.finish(connection, late, [Failed(0, "unreadable_image", "broken")], 60)
    assert look_again(session, batch).failed == 0


def test_finishing_a_job_twice_counts_once(session: Session, tmp_path: Path) -> None:
    batch = submit(session, tmp_path / "photos")
    claim = claimed(session, only_chunk(session))
    for _ in range(2):
        with transaction(session.engine) as connection:
            assert chunks.finish(connection, claim, [Failed(1, "unreadable_image", "broken")], 60)
    assert look_again(session, batch).failed == 1


def test_a_batch_is_finished_with_its_last_job(session: Session, tmp_path: Path) -> None:
    batch = submit(session, tmp_path / "photos", images=2)
    claim = claimed(session, only_chunk(session))
    with transaction(session.engine) as connection:
        chunks.finish(connection, claim, [Failed(n, "unreadable_image", "broken") for n in range(2)], 60)
        chunks.release(connection, claim)
    assert look_again(session, batch).state == "finished"
    assert retry_batch(session.engine, batch) == 2
    assert look_again(session, batch).state == "running"


def test_a_job_put_back_waits_and_its_chunk_with_it(session: Session, tmp_path: Path) -> None:
    submit(session, tmp_path / "photos", images=1)
    claim = claimed(session, only_chunk(session))
    with transaction(session.engine) as connection:
        chunks.finish(connection, claim, [PutBack(0, 3600)], 60)
        chunks.release(connection, claim)
    assert take(session, claim.chunk_id) is None
    with transaction(session.engine) as connection:
        state, later = connection.execute(
            text("SELECT state, next_attempt_at > clock_timestamp() + interval '50 minutes' FROM chunks")
        ).one()
    assert (state, later) == ("waiting", True)


def test_cancelling_stops_what_is_in_hand_and_cancels_the_rest(session: Session, tmp_path: Path) -> None:
    batch = submit(session, tmp_path / "photos")
    claim = claimed(session, only_chunk(session))
    with transaction(session.engine) as connection:
        chunks.cancel_batch(connection, batch.id)
    with transaction(session.engine) as connection:
        assert not chunks.finish(connection, claim, [Failed(0, "unreadable_image", "broken")], 60)
        chunks.release(connection, claim)
    found = look_again(session, batch)
    assert (found.state, found.cancelled, found.failed) == ("cancelled", 3, 0)


def test_only_the_job_in_hand_is_blamed_and_only_after_several_deaths_of_its_own(
    session: Session, tmp_path: Path
) -> None:
    batch = submit(session, tmp_path / "photos")
    chunk = only_chunk(session)
    assert not claimed(session, chunk).careful
    expire(session)
    for deaths in range(chunks.DEATHS_TO_BLAME):
        claim = claimed(session, chunk)
        assert claim.careful
        assert look_again(session, batch).failed == 0, deaths
        with transaction(session.engine) as connection:
            chunks.take_in_hand(connection, claim, 1, 60)
        expire(session)
    found = look_again(session, batch)
    assert (found.failed, found.state) == (1, "running")
    with transaction(session.engine) as connection:
        assert connection.execute(text("SELECT ordinal, code FROM jobs WHERE state = 'failed'")).one() == (
            1,
            "crashed_worker",
        )


def test_dispatch_waits_for_a_live_worker_and_sends_two_chunks_per_slot(session: Session, tmp_path: Path) -> None:
    for number in range(4):
        submit(session, tmp_path / f"photos{number}", merchant=f"shop-{number}")
    assert session.broker.waiting() == 0
    with transaction(session.engine) as connection:
        fleet.register(connection, uuid4(), "cpu", slots=1)
    assert dispatch(session.engine, session.broker) == 2
    assert session.broker.waiting() == 2
    assert dispatch(session.engine, session.broker) == 0


def test_messages_that_redis_lost_are_published_again(session: Session, tmp_path: Path) -> None:
    submit(session, tmp_path / "photos")
    with transaction(session.engine) as connection:
        fleet.register(connection, uuid4(), "cpu", slots=1)
    assert dispatch(session.engine, session.broker) == 1
    with session.broker.app.connection_for_write() as connection:
        connection.default_channel.client.flushall()
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE chunks SET dispatched_at = clock_timestamp() - interval '1 minute'"))
    assert sweep(session.engine, session.broker).republished == 1
    assert session.broker.waiting() == 1


def test_a_paused_batch_leaves_the_window(session: Session, tmp_path: Path) -> None:
    batch = submit(session, tmp_path / "photos")
    with transaction(session.engine) as connection:
        fleet.register(connection, uuid4(), "cpu", slots=1)
    dispatch(session.engine, session.broker)
    with transaction(session.engine) as connection:
        batches.set_paused(connection, batch, paused=True)
        assert chunks.withdraw_paused(connection) == 1
    assert take(session, only_chunk(session)) is None
    assert dispatch(session.engine, session.broker) == 0
