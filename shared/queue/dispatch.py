"""Dispatch: which waiting chunks go to Redis next.

Postgres holds all waiting chunks, Redis only ``WINDOW_PER_SLOT`` per live worker slot, whatever the
backlog. Previews have a window of their own and wait for nobody; the other is filled when it is half
empty, so that most calls are one look at the counts: ``bulk`` before ``nightly``, with a tenth of what is
under way kept for nightly. Within a queue, merchants are served by
start-time fair queueing (Goyal et al. 1996): whoever has had the least is next, so 200,000 images of one
cannot delay another's 20.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection, Engine, text

from shared.broker import Broker
from shared.database import Lock, lock, transaction
from shared.errors import BrokerUnavailable
from shared.queue.queues import QueueName
from shared.settings import ALIVE_SECONDS

WINDOW_PER_SLOT = 2
NIGHTLY_SHARE = 0.1

log = structlog.get_logger()


@dataclass(frozen=True)
class WaitingChunk:
    """A chunk that could be dispatched now."""

    id: int
    pixels: int


@dataclass
class Line:
    """Who waits for chunks of one queue: each merchant's next ones, and their virtual times."""

    waiting: dict[int, deque[WaitingChunk]] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)

    def take(self, most: int) -> list[int]:
        """Take up to ``most`` chunks, always of whoever has had the least, whose time then grows by the megapixels."""
        heap = [(self.times[merchant], merchant) for merchant in self.waiting]
        heapq.heapify(heap)
        taken: list[int] = []
        while heap and len(taken) < most:
            time, merchant = heapq.heappop(heap)
            chunk = self.waiting[merchant].popleft()
            taken.append(chunk.id)
            self.times[merchant] = time + chunk.pixels / 1e6
            if self.waiting[merchant]:
                heapq.heappush(heap, (self.times[merchant], merchant))
            else:
                del self.waiting[merchant]
        return taken


def dispatch(engine: Engine, broker: Broker) -> int:
    """Fill the window and publish what was chosen; return the number of chunks.

    Commits first, then publishes: a message lost in between is published again by the sweep.
    Raises BrokerUnavailable when Redis is down: the work is safe in Postgres.
    """
    with transaction(engine) as connection:
        if not under_way(connection).has_room:
            return 0
        lock(connection, Lock.DISPATCH)
        chosen = fill(connection)
    broker.publish(chosen)
    return len(chosen)


def dispatch_or_warn(engine: Engine, broker: Broker) -> tuple[str, ...]:
    """Dispatch; return a warning where Redis is down: the work is safe in Postgres, and the sweep sends it later."""
    try:
        dispatch(engine, broker)
    except BrokerUnavailable as error:
        log.warning("dispatch_failed", error=str(error))  # which names the server, and is not for merchants
        return ("accepted, but the workers are told later: Redis does not answer at present",)
    return ()


def fill(connection: Connection) -> list[tuple[int, str]]:
    """Mark what fills the window as dispatched; return (chunk, queue) in the order in which they go."""
    now = under_way(connection)
    lines = waiting_lines(connection, now.window) if now.has_room else {}
    if not lines:
        return []
    known = virtual_times(connection, lines)
    chosen: list[tuple[int, str]] = []
    if QueueName.PREVIEW in lines:
        chosen += ((chunk, QueueName.PREVIEW) for chunk in lines[QueueName.PREVIEW].take(now.window - now.previews))
    room = now.room
    for queue, most in shares(now.slots, room, now.nightly):
        if queue in lines and room > 0:
            taken = lines[queue].take(min(most, room))
            chosen += ((chunk, queue) for chunk in taken)
            room -= len(taken)
    keep_times(connection, lines, known)
    marked = mark_dispatched(connection, [chunk for chunk, _ in chosen])
    return [(chunk, queue) for chunk, queue in chosen if chunk in marked]


def shares(slots: int, room: int, nightly: int) -> list[tuple[QueueName, int]]:
    """Return (queue, most chunks) in the order of filling a window with ``room`` left.

    Of the chunks in the window and in the slots together, a tenth, and at least one, is kept for
    nightly, of which ``nightly`` are under way.
    """
    kept = max(1, round((WINDOW_PER_SLOT + 1) * slots * NIGHTLY_SHARE)) - nightly
    return [(QueueName.NIGHTLY, kept), (QueueName.BULK, room), (QueueName.NIGHTLY, room)]


@dataclass(frozen=True)
class UnderWay:
    """Dispatched chunks, and the live slots they are for.

    ``unclaimed`` are in Redis, or lost there, and so are ``previews``, which are not counted among them;
    ``nightly`` are anywhere, in the hands of workers too. ``previewing``: batches of previews are running.
    """

    slots: int
    unclaimed: int
    previews: int
    nightly: int
    previewing: bool

    @property
    def window(self) -> int:
        """Chunks that Redis may hold, and as many previews."""
        return WINDOW_PER_SLOT * self.slots

    @property
    def room(self) -> int:
        """Chunks that the window takes now: none before it is half empty."""
        room = self.window - self.unclaimed
        return room if 2 * room >= self.window else 0

    @property
    def has_room(self) -> bool:
        """Whether there is anything to be filled."""
        return self.room > 0 or (self.previewing and self.previews < self.window)


def under_way(connection: Connection) -> UnderWay:
    """Count the chunks under way: at most a few per slot."""
    row = connection.execute(
        text("""
        SELECT count(*) FILTER (WHERE lease_expires_at IS NULL AND queue <> 'preview') AS unclaimed,
               count(*) FILTER (WHERE lease_expires_at IS NULL AND queue = 'preview') AS previews,
               count(*) FILTER (WHERE queue = 'nightly') AS nightly,
               EXISTS (SELECT FROM batches WHERE queue = 'preview' AND state = 'running') AS previewing,
               (SELECT coalesce(sum(slots), 0) FROM workers
                WHERE heartbeat_at > clock_timestamp() - make_interval(secs => :age)) AS slots
        FROM chunks WHERE state = 'dispatched'
        """),
        {"age": ALIVE_SECONDS},
    ).one()
    return UnderWay(int(row.slots), row.unclaimed, row.previews, row.nightly, row.previewing)


def waiting_lines(connection: Connection, most: int) -> dict[str, Line]:
    """Return up to ``most`` due chunks of each merchant with running batches, oldest batch first, by queue."""
    rows = connection.execute(
        text("""
        SELECT m.queue, m.merchant_id, c.id, c.pixels
        FROM (SELECT DISTINCT queue, merchant_id FROM batches WHERE state = 'running') m
        CROSS JOIN LATERAL (
            SELECT c.id, c.pixels
            FROM batches b CROSS JOIN LATERAL (
                SELECT w.id, w.pixels FROM chunks w
                WHERE w.batch_id = b.id AND w.state = 'waiting' AND w.next_attempt_at <= clock_timestamp()
                ORDER BY w.id LIMIT :most
            ) c
            WHERE b.merchant_id = m.merchant_id AND b.queue = m.queue AND b.state = 'running' AND NOT b.paused
            ORDER BY b.id, c.id LIMIT :most
        ) c
        """),
        {"most": most},
    )
    lines: dict[str, Line] = {}
    for row in rows:
        line = lines.setdefault(row.queue, Line())
        line.waiting.setdefault(row.merchant_id, deque()).append(WaitingChunk(row.id, row.pixels))
    return lines


def virtual_times(connection: Connection, lines: Mapping[str, Line]) -> set[tuple[str, int, float]]:
    """Give those who wait their virtual times; who comes new starts level with the least of the others.

    Without that, a merchant who sent nothing for a year would have a year's share to catch up on. A
    row stands for being in the queue: who has left it loses the row, unless their time is ahead of
    the others'; who has just entered gets one at once, and keeps that place until served. Returns
    the rows (queue, merchant, time) that there are.
    """
    rows = connection.execute(
        text("""
        SELECT f.queue, f.merchant_id, f.virtual_time, EXISTS (
            SELECT FROM chunks c
            WHERE c.state = 'dispatched' AND c.queue = f.queue AND c.merchant_id = f.merchant_id) AS busy
        FROM fair_shares f WHERE f.queue = ANY(:queues)
        """),
        {"queues": list(lines)},
    ).all()
    gone: list[tuple[str, int]] = []
    for queue, line in lines.items():
        known = {row.merchant_id: float(row.virtual_time) for row in rows if row.queue == queue}
        active = {row.merchant_id for row in rows if row.queue == queue and row.busy} | line.waiting.keys()
        clock = min((known[one] for one in active & known.keys()), default=max(known.values(), default=0.0))
        line.times = {merchant: max(known.get(merchant, 0.0), clock) for merchant in line.waiting}
        gone += [(queue, merchant) for merchant, time in known.items() if time <= clock and merchant not in active]
    if gone:
        connection.execute(
            text("DELETE FROM fair_shares WHERE queue = :queue AND merchant_id = :merchant"),
            [{"queue": queue, "merchant": merchant} for queue, merchant in gone],
        )
    return {(row.queue, row.merchant_id, float(row.virtual_time)) for row in rows}


def keep_times(connection: Connection, lines: Mapping[str, Line], known: Collection[tuple[str, int, float]]) -> None:
    """Write the virtual times that are not known yet."""
    new = [
        (queue, merchant, time)
        for queue, line in lines.items()
        for merchant, time in line.times.items()
        if (queue, merchant, time) not in known
    ]
    if not new:
        return
    queues, merchants, times = map(list, zip(*new, strict=True))
    connection.execute(
        text("""
        INSERT INTO fair_shares (queue, merchant_id, virtual_time)
        SELECT * FROM unnest(CAST(:queues AS text[]), CAST(:merchants AS bigint[]), CAST(:times AS float[]))
        ON CONFLICT (merchant_id, queue) DO UPDATE SET virtual_time = excluded.virtual_time
        """),
        {"queues": queues, "merchants": merchants, "times": times},
    )


def mark_dispatched(connection: Connection, chunks: Sequence[int]) -> set[int]:
    """Mark waiting chunks; what was cancelled or claimed since they were chosen, or is just being, is left alone."""
    marked = connection.execute(
        text("""
        UPDATE chunks SET state = 'dispatched', dispatched_at = clock_timestamp() WHERE id IN (
            SELECT id FROM chunks WHERE id = ANY(:ids) AND state = 'waiting' ORDER BY id FOR UPDATE SKIP LOCKED)
        RETURNING id
        """),
        {"ids": list(chunks)},
    )
    return set(marked.scalars())
