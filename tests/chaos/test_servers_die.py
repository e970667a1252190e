"""Redis and Postgres that vanish, restart or forget, under a worker at work."""

from __future__ import annotations

from shared.database import transaction
from shared.queue import chunks
from shared.queue.retry import retry_batch
from tests.chaos.crew import LEASED, OUTAGE_LEASE_SECONDS, Crew
from tests.chaos.servers import Servers


def test_redis_may_lose_messages_forget_all_and_be_killed_under_a_worker(crew: Crew, servers: Servers) -> None:
    batch = crew.submit(96)
    crew.start(supervised=True)
    crew.done(batch.id, 1)
    with servers.redis() as client:
        client.lpop("bulk")
    crew.done(batch.id, 24)
    with servers.redis() as client:
        client.flushall()
    crew.done(batch.id, 48)
    servers.kill("redis")
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id) == {"succeeded": 96, "failed": 0, "cancelled": 0}
    assert crew.scalar("SELECT sum(deaths) FROM jobs") == 0


def test_postgres_may_be_killed_under_a_worker(crew: Crew, servers: Servers) -> None:
    batch = crew.submit(64)
    crew.environment["ATELIER_LEASE_SECONDS"] = str(OUTAGE_LEASE_SECONDS)
    pid = crew.start()
    crew.done(batch.id, 12)
    servers.kill("postgres")
    crew.finished(batch.id)
    assert not crew.gone(pid, 0)
    assert crew.assert_end_state(batch.id) == {"succeeded": 64, "failed": 0, "cancelled": 0}


def test_a_batch_is_paused_resumed_and_cancelled_while_a_chunk_is_in_hand(crew: Crew) -> None:
    gate = crew.folder / "gate"
    batch = crew.submit(24, marked=(1,))
    other = crew.submit(8, name="others")
    crew.start("hold", gate)
    crew.wait_until(gate.with_suffix(".reached").exists, "the marked image in hand")
    crew.done(batch.id, 4)
    with transaction(crew.session.engine) as connection:
        connection.exec_driver_sql(f"UPDATE batches SET paused = true WHERE id = '{batch.id}'")
        chunks.withdraw_paused(connection)
    crew.wait_until(lambda: crew.scalar(LEASED) == 1, "rest")
    crew.wait_until(lambda: crew.batch(other.id).state == "finished", "the other batch")
    resting = crew.batch(batch.id).done
    assert resting < 24
    with transaction(crew.session.engine) as connection:
        chunks.cancel_batch(connection, batch.id)
    gate.touch()
    crew.finished(batch.id)
    states = crew.assert_end_state(batch.id)
    assert states == {"succeeded": resting, "failed": 0, "cancelled": 24 - resting}
    assert crew.assert_end_state(other.id)["succeeded"] == 8


def test_failed_images_are_retried_while_their_chunk_is_in_hand(crew: Crew) -> None:
    gate = crew.folder / "gate"
    batch = crew.submit(4, marked=(3,))
    with transaction(crew.session.engine) as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET state = 'failed', code = 'unreadable_image', message = 'as if' WHERE ordinal = 0"
        )
        connection.exec_driver_sql("UPDATE batches SET failed = 1")
    crew.start("hold", gate)
    crew.wait_until(gate.with_suffix(".reached").exists, "the marked image in hand")
    assert retry_batch(crew.session.engine, batch) == 1
    gate.touch()
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id) == {"succeeded": 4, "failed": 0, "cancelled": 0}
