"""Dispatch: which waiting chunks go to Redis next.

Postgres holds all waiting chunks, Redis only ``WINDOW_PER_SLOT`` per live worker slot, whatever the
backlog. The window is filled ``preview`` before ``bulk`` before ``nightly``, with a tenth of what is
under way kept for nightly, and within a queue by start-time fair queueing over merchants (Goyal et
al. 1996): whoever has had the least is served next, so 200,000 images of one cannot delay another's 20.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from shared.broker import Broker
from shared.database import Lock, lock, transaction
from shared.fleet import live_slots

WINDOW_PER_SLOT = 2
NIGHTLY_SHARE = 0.1


@dataclass(frozen=True)
class WaitingChunk:
    """A chunk that could be dispatched now."""

    id: int
    merchant_id: int
    pixels: int


def dispatch(engine: Engine, broker: Broker) -> int:
    """Fill the window and publish what was chosen; return the number of chunks.

    Commits first, then publishes: a message lost in between is published again by the sweep.
    Raises BrokerUnavailable when Redis is down: the work is safe in Postgres.
    """
    chosen: list[tuple[int, str]] = []
    with transaction(engine) as connection:
        lock(connection, Lock.DISPATCH)
        slots = live_slots(connection)
        room = WINDOW_PER_SLOT * slots - unclaimed(connection)
        for queue, most in shares(slots, room, under_way(connection, "nightly")):
            taken = fill(connection, queue, min(most, room - len(chosen)))
            chosen += [(chunk_id, queue) for chunk_id in taken]
    broker.publish(chosen)
    return len(chosen)


def shares(slots: int, room: int, nightly: int) -> list[tuple[str, int]]:
    """Return (queue, most chunks) in the order of filling a window with ``room`` left.

    Of the chunks in the window and in the slots together, a tenth, and at least one, is kept for
    nightly, of which ``nightly`` are under way. A preview waits for nobody.
    """
    kept = max(1, round((WINDOW_PER_SLOT + 1) * slots * NIGHTLY_SHARE)) - nightly
    return [("preview", room), ("nightly", kept), ("bulk", room), ("nightly", room)]


def under_way(connection: Connection, queue: str) -> int:
    """Chunks of a queue that are in Redis or in the hands of workers."""
    found = connection.execute(
        text("SELECT count(*) FROM chunks WHERE state = 'dispatched' AND queue = :queue"), {"queue": queue}
    )
    return int(found.scalar_one())


def unclaimed(connection: Connection) -> int:
    """Chunks that are in Redis, or were, and that nobody has claimed."""
    found = connection.execute(
        text("SELECT count(*) FROM chunks WHERE state = 'dispatched' AND lease_expires_at IS NULL")
    )
    return int(found.scalar_one())


def fill(connection: Connection, queue: str, most: int) -> list[int]:
    """Choose up to ``most`` waiting chunks of a queue by fair share and mark them dispatched."""
    if most <= 0:
        return []
    waiting = waiting_chunks(connection, queue, most)
    if not waiting:
        return []
    times = virtual_times(connection, queue, list(waiting))
    chosen, spent = choose(waiting, times, most)
    # Chosen without locks: what was cancelled or claimed since, or is just being, is left alone.
    marked = set(
        connection.execute(
            text("""
            UPDATE chunks SET state = 'dispatched', dispatched_at = clock_timestamp() WHERE id IN (
                SELECT id FROM chunks WHERE id = ANY(:ids) AND state = 'waiting' ORDER BY id FOR UPDATE SKIP LOCKED)
            RETURNING id
            """),
            {"ids": chosen},
        ).scalars()
    )
    connection.execute(
        text("""
        INSERT INTO fair_shares (merchant_id, queue, virtual_time) VALUES (:merchant, :queue, :time)
        ON CONFLICT (merchant_id, queue) DO UPDATE SET virtual_time = excluded.virtual_time
        """),
        [{"merchant": merchant, "queue": queue, "time": time} for merchant, time in (times | spent).items()],
    )
    return [chunk_id for chunk_id in chosen if chunk_id in marked]


def waiting_chunks(connection: Connection, queue: str, most: int) -> dict[int, list[WaitingChunk]]:
    """Return up to ``most`` due chunks of each merchant with running batches, oldest batch first."""
    rows = connection.execute(
        text("""
        SELECT c.id, c.merchant_id, c.pixels
        FROM (SELECT DISTINCT merchant_id FROM batches WHERE state = 'running' AND queue = :queue) m
        CROSS JOIN LATERAL (
            SELECT c.id, c.merchant_id, c.pixels, c.batch_id
            FROM batches b CROSS JOIN LATERAL (
                SELECT * FROM chunks w
                WHERE w.batch_id = b.id AND w.state = 'waiting' AND w.next_attempt_at <= clock_timestamp()
                ORDER BY w.id LIMIT :most
            ) c
            WHERE b.merchant_id = m.merchant_id AND b.queue = :queue AND b.state = 'running' AND NOT b.paused
            ORDER BY b.id, c.id LIMIT :most
        ) c
        """),
        {"queue": queue, "most": most},
    )
    by_merchant: dict[int, list[WaitingChunk]] = {}
    for row in rows:
        by_merchant.setdefault(row.merchant_id, []).append(WaitingChunk(row.id, row.merchant_id, row.pixels))
    return by_merchant


def virtual_times(connection: Connection, queue: str, merchants: Sequence[int]) -> dict[int, float]:
    """Return the virtual time of each merchant that waits; who comes new starts level with the least of the others.

    Without that, a merchant who sent nothing for a year would have a year's share to catch up on. A
    row stands for being in the queue: who has left it loses the row, unless their time is ahead of
    the others'; who has just entered gets one at once, and keeps that place until served.
    """
    known = {
        row.merchant_id: float(row.virtual_time)
        for row in connection.execute(
            text("SELECT merchant_id, virtual_time FROM fair_shares WHERE queue = :queue"), {"queue": queue}
        )
    }
    busy = {
        row.merchant_id
        for row in connection.execute(
            text("SELECT DISTINCT merchant_id FROM chunks WHERE queue = :queue AND state = 'dispatched'"),
            {"queue": queue},
        )
    }
    active = known.keys() & (busy | set(merchants))
    clock = min((known[merchant] for merchant in active), default=max(known.values(), default=0.0))
    connection.execute(
        text("DELETE FROM fair_shares WHERE queue = :queue AND virtual_time <= :clock AND merchant_id <> ALL(:active)"),
        {"queue": queue, "clock": clock, "active": list(active)},
    )
    return {merchant: max(known.get(merchant, 0.0), clock) for merchant in merchants}


def choose(
    waiting: dict[int, list[WaitingChunk]], times: dict[int, float], most: int
) -> tuple[list[int], dict[int, float]]:
    """Pick chunks in the order of their merchants' virtual times.

    Returns the chosen ids and each served merchant's new virtual time, which grows by the chunk's
    megapixels.
    """
    heap = [(times[merchant], merchant, 0) for merchant in waiting]
    heapq.heapify(heap)
    chosen: list[int] = []
    spent: dict[int, float] = {}
    while heap and len(chosen) < most:
        time, merchant, position = heapq.heappop(heap)
        chunk = waiting[merchant][position]
        chosen.append(chunk.id)
        spent[merchant] = time + chunk.pixels / 1e6
        if position + 1 < len(waiting[merchant]):
            heapq.heappush(heap, (spent[merchant], merchant, position + 1))
    return chosen, spent
