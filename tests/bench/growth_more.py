"""More of what touches many rows, for ``tests.bench.growth``: taking in, lists, what beat asks, and the catalogue."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.catalog.as_of import revert_as_of
from shared.catalog.images import list_images
from shared.catalog.publishing import Which, publish, revert
from shared.context import Session
from shared.database import transaction
from shared.look import Look
from shared.operations.backlog import Backlog
from shared.operations.dead_letters import Filter, failure_groups
from shared.operations.lost_renditions import lost_renditions
from shared.operations.merchant_export import export_merchant
from shared.queue.batches import Batch
from shared.queue.job_pages import job_page
from shared.queue.sweep import sweep
from tests.bench.growth_cost import Cost, cost_of
from tests.builders import add_finished, add_large_night, add_waiting


def finished_batch(session: Session, jobs: int) -> Batch:
    """Add a batch that is over, with its renditions."""
    with transaction(session.engine) as connection:
        return add_finished(connection, f"finished-{uuid4().hex[:8]}", jobs)


def submitting(session: Session, rows: int) -> Cost:
    """Submit a manifest of addresses."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "feed.csv"
        path.write_text("sku,image\n" + "".join(f"sku-{n},https://shop.example/{n}.jpg\n" for n in range(rows)))
        order = Order(f"submitted-{uuid4().hex[:8]}", open_manifest([str(path)]), (Look((("udnie", 1.0),)),))
        return cost_of(session, lambda: submit_batch(session, order))


def paging(session: Session, jobs: int) -> Cost:
    """Read all failed jobs of a batch, one in a hundred, in the pages of the API."""
    batch = finished_batch(session, jobs)

    def read() -> None:
        after: int | None = -1
        while after is not None:
            with transaction(session.engine, merchant=batch.merchant_id) as connection:
                _, after = job_page(connection, batch, state="failed", after=after, limit=100)

    return cost_of(session, read)


def grouping(session: Session, jobs: int) -> Cost:
    """Count the dead letters of a merchant with one large batch."""
    batch = finished_batch(session, jobs)

    def count() -> None:
        with transaction(session.engine) as connection:
            assert failure_groups(connection, Filter(merchant=batch.merchant_id))

    return cost_of(session, count)


def ticking(session: Session, jobs: int) -> Cost:
    """Sweep, and collect the metrics of the backlog, ten times while so many jobs wait."""
    with transaction(session.engine) as connection:
        add_waiting(connection, f"waiting-{uuid4().hex[:8]}", jobs)
    backlog = Backlog(session.engine, session.broker)

    def tick() -> None:
        for _ in range(10):
            sweep(session.engine, session.broker)
            assert list(backlog.collect())

    return cost_of(session, tick)


def losing(session: Session, jobs: int) -> Cost:
    """Look for renditions that the store lacks, which it does all of them."""
    finished_batch(session, jobs)
    return cost_of(session, lambda: lost_renditions(session.engine, session.store))


def exporting_a_merchant(session: Session, jobs: int) -> Cost:
    """Write all rows of a merchant to files."""
    batch = finished_batch(session, jobs)
    with tempfile.TemporaryDirectory() as folder:
        return cost_of(
            session,
            lambda: export_merchant(
                session.engine, session.store, batch.merchant_id, Path(folder) / "out", lambda _: None
            ),
        )


def _night(session: Session, images: int) -> Batch:
    """Add a night that is over: of a catalogue of as many images, with a rendition of each but one in a hundred."""
    with transaction(session.engine) as connection:
        batch = add_finished(connection, f"night-{uuid4().hex[:8]}", images)
        add_large_night(connection, batch, 2 * images)
    return batch


def publishing(session: Session, images: int) -> Cost:
    """Show what a night has made, take it back, and go back to before there was anything."""
    batch = _night(session, images)

    def show() -> None:
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            assert publish(connection, batch.merchant_id, batch.id, "me@here")
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            revert(connection, batch.merchant_id, Which(batch_id=batch.id), "me@here")
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            revert_as_of(connection, batch.merchant_id, datetime.now(UTC) - timedelta(days=1), "me@here")

    return cost_of(session, show)


def listing(session: Session, images: int) -> Cost:
    """Read a whole catalogue in the pages of the API."""
    batch = _night(session, images // 2)

    def read() -> None:
        after = 0
        while True:
            with transaction(session.engine, merchant=batch.merchant_id) as connection:
                page = list_images(connection, batch.merchant_id, after=after, limit=100)
            if not page:
                return
            after = page[-1].id

    return cost_of(session, read)


MORE: dict[str, Callable[[Session, int], Cost]] = {
    "submit": submitting,
    "page of failures": paging,
    "dead letters": grouping,
    "ten ticks": ticking,
    "check renditions": losing,
    "merchants export": exporting_a_merchant,
    "publish, revert": publishing,
    "list a catalogue": listing,
}
