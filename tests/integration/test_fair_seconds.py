"""What merchants share are seconds of the fleet: one whose chunks take longer gets fewer of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.embedded import Services
from shared.queue import chunks, fleet
from shared.queue.chunks import Claim
from shared.queue.dispatch import WINDOW_PER_SLOT, fill
from tests.builders import add_waiting
from tests.sessions import fresh_session

WORKER = uuid4()
SLOTS = 3
MOST_CHUNKS = 400


class Shop:
    """A fleet whose clock is turned by hand: claims become older, and no time passes."""

    def __init__(self, session: Session, seconds: Mapping[str, float]) -> None:
        self.session = session
        self.seconds = seconds  # of each merchant's chunks
        self.now = 0.0
        self.messages: list[int] = []
        self.working: list[tuple[float, int, str, Claim]] = []
        self.had: list[tuple[float, str, float]] = []  # when a chunk ended, whose it was, and its seconds
        with transaction(session.engine) as connection:
            fleet.register(connection, WORKER, "cpu", SLOTS)

    def add(self, merchant: str, number: int) -> None:
        with transaction(self.session.engine) as connection:
            add_waiting(connection, merchant, number, chunk_jobs=1)

    def work(self, ends: int) -> None:
        """Dispatch, claim and release until so many chunks have ended, in the order of their ends."""
        for _ in range(ends):
            self.begin()
            if not self.working:
                return
            until, _, merchant, claim = heapq.heappop(self.working)
            self.pass_time(until - self.now)
            with transaction(self.session.engine) as connection:
                connection.execute(
                    text("UPDATE jobs SET state = 'cancelled' WHERE batch_id = :batch AND ordinal = :ordinal"),
                    {"batch": claim.batch.id, "ordinal": claim.first_ordinal},
                )
                chunks.release(connection, claim)
            self.had.append((self.now, merchant, self.seconds[merchant]))

    def begin(self) -> None:
        with transaction(self.session.engine) as connection:
            self.messages += [chunk for chunk, _ in fill(connection)]
            while self.messages and len(self.working) < SLOTS:
                claim = chunks.claim(connection, self.messages.pop(0), WORKER, 1e6)
                assert claim
                merchant = connection.scalar(
                    text("SELECT name FROM merchants WHERE id = :id"), {"id": claim.batch.merchant_id}
                )
                assert isinstance(merchant, str)
                heapq.heappush(self.working, (self.now + self.seconds[merchant], claim.chunk_id, merchant, claim))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        with transaction(self.session.engine) as connection:
            connection.execute(
                text("""
                UPDATE chunks SET claimed_at = claimed_at - make_interval(secs => :seconds)
                WHERE lease_expires_at IS NOT NULL
                """),
                {"seconds": seconds},
            )

    def total(self, merchant: str) -> float:
        return sum(seconds for _, name, seconds in self.had if name == merchant)


def test_a_merchant_whose_chunks_take_ten_times_as_long_gets_a_tenth_of_them(session: Session) -> None:
    shop = Shop(session, {"slow": 100.0, "quick": 10.0})
    shop.add("slow", MOST_CHUNKS)
    shop.add("quick", MOST_CHUNKS)
    shop.work(110)
    ended = [merchant for _, merchant, _ in shop.had]
    assert 6 <= ended.count("slow") <= 16  # by pixels it would be every other, and ten elevenths of the seconds
    assert 0.6 <= shop.total("slow") / shop.total("quick") <= 1.6


def test_who_comes_while_a_slow_one_works_waits_for_the_window_only(session: Session) -> None:
    shop = Shop(session, {"slow": 100.0, "quick": 10.0})
    shop.add("slow", MOST_CHUNKS)
    shop.work(10)
    came = shop.now
    shop.add("quick", 10)
    while sum(merchant == "quick" for _, merchant, _ in shop.had) < 10:
        shop.work(1)
    # What is in the window and in hand goes before; afterwards the slow one gets hardly a chunk.
    assert shop.now - came <= 100.0 * (WINDOW_PER_SLOT + 1) + 10 * 10.0


def test_a_service_that_fails_is_charged_to_nobody_and_a_death_to_its_merchant(session: Session) -> None:
    shop = Shop(session, {"shop": 50.0})
    shop.add("shop", 10)
    shop.begin()
    shop.pass_time(50.0)
    (_, _, _, first), (_, _, _, second), (_, _, _, third) = shop.working
    times: list[float] = []
    with transaction(session.engine) as connection:

        def note() -> None:
            times.append(float(connection.execute(text("SELECT virtual_time FROM fair_shares")).scalar_one()))

        chunks.release(connection, first, delay_seconds=60.0)
        note()
        chunks.release(connection, second)
        note()
        connection.execute(
            text("UPDATE chunks SET lease_expires_at = clock_timestamp() - interval '1 s' WHERE id = :id"),
            {"id": third.chunk_id},
        )
        assert chunks.expire_leases(connection) == 1
        note()
    assert times == [pytest.approx(0.0, abs=5), pytest.approx(50.0, abs=5), pytest.approx(100.0, abs=10)]


def test_whatever_chunks_take_merchants_who_wait_have_had_as_many_seconds(services: Services, tmp_path: Path) -> None:
    @given(st.fixed_dictionaries({name: st.sampled_from([1.0, 7.0, 30.0, 200.0]) for name in ("a", "b", "c")}))
    @settings(max_examples=3, deadline=None)
    def run(seconds: dict[str, float]) -> None:
        with fleet_over(services, tmp_path / uuid4().hex, seconds) as shop:
            for name in seconds:
                shop.add(name, MOST_CHUNKS)
            shop.work(50)
            totals = [shop.total(name) for name in seconds]
            # Nobody is ahead by more than what a window and the slots hold: it was chosen before it was known.
            assert max(totals) - min(totals) <= (WINDOW_PER_SLOT + 1) * SLOTS * max(seconds.values())
            with transaction(shop.session.engine) as connection:
                assert not connection.execute(text("SELECT FROM fair_shares WHERE virtual_time < 0")).all()

    run()


@contextmanager
def fleet_over(services: Services, home: Path, seconds: Mapping[str, float]) -> Iterator[Shop]:
    home.mkdir()
    with fresh_session(services, home) as session:
        yield Shop(session, seconds)
