"""Send what waits for webhooks, several webhooks at once and the events of each one after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import structlog
from sqlalchemy import Engine

from shared.database import transaction
from shared.webhooks.deliveries import (
    Claim,
    claim_due,
    forget_old,
    give_up_late,
    next_delivery,
    record_attempt,
    release,
)
from workers.webhooks.post import Poster

AT_ONCE = 16
"""Webhooks that are sent to at the same time. A slow one holds one of them for its claim at most."""

POLL_SECONDS = 1.0
FORGET_SECONDS = 3600.0

log = structlog.get_logger()


@contextmanager
def sending_webhooks(engine: Engine, poster: Poster) -> Iterator[None]:
    """Send in the background; at the end wait for the attempts in progress, which take ten seconds at most."""
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(engine, poster, stop), name="webhooks")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def send_all(engine: Engine, poster: Poster, claim: Claim, stop: threading.Event) -> int:
    """Send what is due for one webhook until nothing is, an attempt fails, or the claim is over; count attempts."""
    attempts = 0
    while not stop.is_set():
        with transaction(engine) as connection:
            delivery = next_delivery(connection, claim)
        if delivery is None:
            break
        attempt = poster.post(claim, delivery)
        attempts += 1
        with transaction(engine) as connection:
            record_attempt(connection, claim, delivery, attempt)
        log.info("webhook sent", webhook=claim.webhook_id, delivery=delivery.id, event_type=delivery.event,
                 status=attempt.status, problem=attempt.problem)  # fmt: skip
        if not attempt.succeeded:
            break
    with transaction(engine) as connection:
        release(connection, claim)
    return attempts


def _run(engine: Engine, poster: Poster, stop: threading.Event) -> None:
    """Keep ``AT_ONCE`` threads busy as long as anything is due: nobody waits for the slowest of a round."""
    busy: set[Future[int]] = set()
    since_forgotten = FORGET_SECONDS
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as threads:
        while not stop.wait(POLL_SECONDS):
            since_forgotten += POLL_SECONDS
            busy = {one for one in busy if not _ended(one)}
            try:
                busy |= {threads.submit(send_all, engine, poster, claim, stop)
                         for claim in _claimed(engine, AT_ONCE - len(busy))}  # fmt: skip
                if since_forgotten >= FORGET_SECONDS:
                    with transaction(engine) as connection:
                        give_up_late(connection)
                        forget_old(connection)
                    since_forgotten = 0.0
            except Exception as error:  # whatever it is, the next round may succeed
                log.warning("webhooks wait", reason=str(error))


def _claimed(engine: Engine, most: int) -> list[Claim]:
    if most == 0:
        return []
    with transaction(engine) as connection:
        return claim_due(connection, most)


def _ended(sending: Future[int]) -> bool:
    """Return whether a webhook's turn is over. An error costs this turn only: the claim runs out by itself."""
    if sending.done() and (error := sending.exception()) is not None:
        log.warning("webhooks wait", reason=str(error))
    return sending.done()
