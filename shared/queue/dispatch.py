"""Choose which waiting chunks go to Redis next.

Postgres holds all waiting chunks, Redis only ``WINDOW_PER_SLOT`` per live worker slot, whatever the
backlog. Previews have a window of their own and never wait for other work. The other window is filled when it is
half empty, so that most calls only look at the counts: ``bulk`` before ``nightly``, with a tenth of the window
kept for nightly. Within a queue, merchants are served by start-time fair queueing (Goyal et al. 1996): the
merchant who has had least is next, so 200,000 images of one cannot delay another's 20. What somebody has had is
counted in seconds of a slot, see ``fair_shares.py``.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection, Engine, text

from shared.broker import Broker
from shared.database import Lock, lock, transaction
from shared.errors import BrokerUnavailable
from shared.queue.fair_shares import find_shares, forget_shares, raise_times
from shared.queue.queues import QueueName
from shared.recordset import recordset
from shared.settings import ALIVE_SECONDS

WINDOW_PER_SLOT = 2
NIGHTLY_SHARE = 0.1

log = structlog.get_logger()


@dataclass(frozen=True)
class WaitingChunk:
    """Chunk that could be dispatched now."""

    id: int
    pixels: int


@dataclass
class Line:
    """Merchants who wait for chunks of one queue: the next chunks of each, their virtual times and paces.

    Of the merchants in ``partial`` only the first few chunks are here; ``more`` gives all that may be needed.
    """

    waiting: dict[int, deque[WaitingChunk]] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    paces: dict[int, float] = field(default_factory=dict)
    partial: set[int] = field(default_factory=set)
    more: Callable[[int], Sequence[WaitingChunk]] = lambda _: ()

    def take(self, most: int) -> list[int]:
        """Take up to ``most`` chunks, each of the merchant with the least time, which then grows by an estimate."""
        heap = [(self.times[merchant], merchant) for merchant in self.waiting]
        heapq.heapify(heap)
        taken: list[int] = []
        while heap and len(taken) < most:
            time, merchant = heapq.heappop(heap)
            chunk = self.waiting[merchant].popleft()
            taken.append(chunk.id)
            self.times[merchant] = time + chunk.pixels / 1e6 * self.paces.get(merchant, 1.0)
            if not self.waiting[merchant] and merchant in self.partial:
                self.partial.remove(merchant)
                known = set(taken)
                self.waiting[merchant].extend(one for one in self.more(merchant) if one.id not in known)
            if self.waiting[merchant]:
                heapq.heappush(heap, (self.times[merchant], merchant))
            else:
                del self.waiting[merchant]
        return taken


def dispatch(engine: Engine, broker: Broker) -> int:
    """Fill the window and publish the chosen chunks; return their number.

    Commits first, then publishes: the sweep publishes a message again that is lost in between.
    Raises BrokerUnavailable when Redis is down; the work is safe in Postgres.
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
    """Mark the chunks that fill the window as dispatched; return (chunk, queue) in their order."""
    now = under_way(connection)
    lines = waiting_lines(connection, now.window) if now.has_room else {}
    if not lines:
        return []
    set_times(connection, lines)
    chosen: list[tuple[int, str]] = []
    if QueueName.PREVIEW in lines:
        chosen += ((chunk, QueueName.PREVIEW) for chunk in lines[QueueName.PREVIEW].take(now.window - now.previews))
    room = now.room
    for queue, most in shares(now.slots, room, now.nightly):
        if queue in lines and room > 0:
            taken = lines[queue].take(min(most, room))
            chosen += ((chunk, queue) for chunk in taken)
            room -= len(taken)
    marked = mark_dispatched(connection, [chunk for chunk, _ in chosen])
    return [(chunk, queue) for chunk, queue in chosen if chunk in marked]


def shares(slots: int, room: int, nightly: int) -> list[tuple[QueueName, int]]:
    """Return (queue, most chunks) in the order in which a window with ``room`` left is filled.

    A tenth of the window and the slots together, at least one chunk, is kept for nightly work, of which
    ``nightly`` chunks are in progress.
    """
    kept = max(1, round((WINDOW_PER_SLOT + 1) * slots * NIGHTLY_SHARE)) - nightly
    return [(QueueName.NIGHTLY, kept), (QueueName.BULK, room), (QueueName.NIGHTLY, room)]


@dataclass(frozen=True)
class UnderWay:
    """Dispatched chunks, and the live slots that they are for.

    ``unclaimed`` chunks are in Redis, or lost there, and so are ``previews``, which are counted separately;
    ``nightly`` also includes claimed ones. ``previewing``: batches of previews are running.
    """

    slots: int
    unclaimed: int
    previews: int
    nightly: int
    previewing: bool

    @property
    def window(self) -> int:
        """Return how many chunks Redis may hold, and as many previews."""
        return WINDOW_PER_SLOT * self.slots

    @property
    def room(self) -> int:
        """Return how many chunks the window takes now: none before it is half empty."""
        room = self.window - self.unclaimed
        return room if 2 * room >= self.window else 0

    @property
    def has_room(self) -> bool:
        """Return whether anything can be dispatched."""
        return self.room > 0 or (self.previewing and self.previews < self.window)


def under_way(connection: Connection) -> UnderWay:
    """Count the chunks in progress: at most a few per slot."""
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
    """Return the next due chunks of each merchant with running batches, oldest batch first, by queue.

    Of each a few, so that about as many are read as are dispatched, however many merchants wait; a line asks for a
    merchant's next ones, up to ``most``, when it has taken those.
    """
    rows = connection.execute(text("SELECT DISTINCT queue, merchant_id FROM batches WHERE state = 'running'")).all()
    if not rows:
        return {}
    few = min(most, 2 + most // len(rows))
    lines: dict[str, Line] = {}
    merchants = [(row.queue, row.merchant_id) for row in rows]
    for queue, merchant, chunk in _next_chunks(connection, merchants, few):
        line = lines.setdefault(queue, Line(more=partial(_all_chunks, connection, queue, most)))
        line.waiting.setdefault(merchant, deque()).append(chunk)
    for line in lines.values() if few < most else ():
        line.partial = {merchant for merchant, chunks in line.waiting.items() if len(chunks) == few}
    return lines


def _all_chunks(connection: Connection, queue: str, most: int, merchant: int) -> Sequence[WaitingChunk]:
    """Return a merchant's next chunks, those that were read before as well."""
    return [chunk for _, _, chunk in _next_chunks(connection, [(queue, merchant)], most)]


def _next_chunks(
    connection: Connection, merchants: Sequence[tuple[str, int]], most: int
) -> Iterator[tuple[str, int, WaitingChunk]]:
    """Yield up to ``most`` due chunks of each merchant in a queue, with both."""
    rows = connection.execute(
        text("""
        SELECT m.queue, m.merchant_id, c.id, c.pixels
        FROM json_to_recordset(CAST(:merchants AS json)) AS m (queue text, merchant_id bigint)
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
        {"most": most, "merchants": recordset(("queue", "merchant_id"), merchants)},
    )
    return ((row.queue, row.merchant_id, WaitingChunk(row.id, row.pixels)) for row in rows)


def set_times(connection: Connection, lines: Mapping[str, Line]) -> None:
    """Set the virtual times and paces of waiting merchants. A new one starts level with the least of the others.

    Otherwise a merchant who sent nothing for a year would have a year's share to catch up on. A stored share stands
    for being in the queue: a merchant who leaves loses it, unless its time is ahead of the others'; one who enters
    gets one at once, and keeps that place until served.
    """
    gone: list[tuple[str, int]] = []
    raised: list[tuple[str, int, float]] = []
    shares = find_shares(connection, list(lines))
    for queue, line in lines.items():
        known = {share.merchant_id: share for share in shares if share.queue == queue}
        active = {merchant for merchant, share in known.items() if share.is_busy} | line.waiting.keys()
        present = [known[merchant].time for merchant in active & known.keys()]
        clock = min(present, default=max((share.time for share in known.values()), default=0.0))
        for merchant in line.waiting:
            share = known.get(merchant)
            time = 0.0 if share is None else share.time
            line.times[merchant] = max(time, clock)
            line.paces[merchant] = 1.0 if share is None else share.pace
            if share is None or time < clock:
                raised.append((queue, merchant, line.times[merchant] - time))
        left = known.keys() - active
        gone += [(queue, merchant) for merchant in sorted(left) if known[merchant].time <= clock]
    forget_shares(connection, gone)
    raise_times(connection, raised)


def mark_dispatched(connection: Connection, chunks: Sequence[int]) -> set[int]:
    """Mark waiting chunks. Those cancelled or claimed meanwhile, or locked, are skipped."""
    marked = connection.execute(
        text("""
        UPDATE chunks SET state = 'dispatched', dispatched_at = clock_timestamp() WHERE id IN (
            SELECT id FROM chunks WHERE id = ANY(:ids) AND state = 'waiting' ORDER BY id FOR UPDATE SKIP LOCKED)
        RETURNING id
        """),
        {"ids": list(chunks)},
    )
    return set(marked.scalars())
