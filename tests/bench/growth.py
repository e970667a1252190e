"""Does the cost of a row grow with the number of rows? Run it as ``python -m tests.bench.growth``.

Fills the tables in the server and times what touches many rows: retrying and giving up failed images, cancelling,
exporting, pruning, erasing, importing a feed, asking for the state, planning a night beside another that is under way,
and dispatching with many merchants waiting. Prints seconds,
and core-microseconds a row, which other work on the machine hardly changes; writes
``tests/bench/results/growth.json``. Nothing is asserted; plans are, in the tests.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

from producer.catalog_import import import_catalog
from producer.manifest import open_manifest
from producer.output.export import batch_results
from producer.output.results import write_results as write_results_csv
from shared.catalog.night_plan import NightPlan, Window
from shared.catalog.schedules import NightRules
from shared.context import Session, open_session
from shared.database import MAINTENANCE_SECONDS, transaction
from shared.merchants.actors import operator
from shared.operations.erasure import erase
from shared.operations.prune import prune
from shared.queue import batches, chunks, dispatch, fleet
from shared.queue import jobs as job_rows
from shared.queue.batches import Batch
from shared.queue.estimate import Rate
from shared.queue.reconciler import reconcile
from shared.queue.retry import discard_failures, retry_batch
from shared.settings import Settings
from tests.bench.growth_cost import Cost, cost_of
from tests.bench.growth_more import MORE, finished_batch
from tests.bench.results import machine, write_results
from tests.builders import add_large_night, add_waiting

SLOTS = 3


def failed_batch(session: Session, jobs: int) -> Batch:
    """Add a batch of which every image has failed."""
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, f"failed-{uuid4().hex[:8]}", jobs)
        values = {"id": batch.id}
        connection.execute(text("UPDATE chunks SET state = 'done' WHERE batch_id = :id"), values)
        connection.execute(text("UPDATE jobs SET state = 'failed', code = 'x' WHERE batch_id = :id"), values)
        batches.add_counts(connection, batch.id, batches.Counts(failed=jobs))
        return batches.get_batch(connection, batch.id)


def retrying(session: Session, jobs: int) -> Cost:
    batch = failed_batch(session, jobs)
    return cost_of(session, lambda: retry_batch(session.engine, batch))


def giving_up(session: Session, jobs: int) -> Cost:
    batch = failed_batch(session, jobs)
    return cost_of(session, lambda: discard_failures(session.engine, batch))


def cancelling(session: Session, jobs: int) -> Cost:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, f"cancelled-{uuid4().hex[:8]}", jobs)

    def cancel() -> None:
        with transaction(session.engine) as connection:
            chunks.cancel_batch(connection, batch.id)

    return cost_of(session, cancel)


def reconciling(session: Session, jobs: int) -> Cost:
    """All chunks of a batch have ended over its queued jobs."""
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, f"stranded-{uuid4().hex[:8]}", jobs)
        connection.execute(text("UPDATE chunks SET state = 'done' WHERE batch_id = :id"), {"id": batch.id})
    return cost_of(session, lambda: reconcile(session.engine, sampled_jobs=0))


def planning(session: Session, images: int) -> Cost:
    """Plan a night of a catalogue of twice as many images, of which half are in another night's hands."""
    name = f"shop-{uuid4().hex[:8]}"
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, name, 64, queue="nightly")
        add_large_night(connection, batch, 2 * images)

    def plan() -> None:
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            rules = NightRules()
            found = NightPlan.make(
                connection, Window(batch.merchant_id, rules, batch.created_at), Rate(None, 1), session.settings
            )
            assert found.stale.total == images

    return cost_of(session, plan)


def dispatching(session: Session, merchants: int) -> Cost:
    """Fill the window of 40 workers while so many merchants wait, each with 300 chunks."""
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE batches SET state = 'cancelled' WHERE state = 'running'"))
        connection.execute(text("DELETE FROM fair_shares"))
        connection.execute(text("DELETE FROM workers"))
        values = {"batch": add_waiting(connection, "model", 1).id, "merchants": merchants, "size": str(merchants)}
        for statement in (
            "INSERT INTO merchants (name) SELECT 'waiting-' || :size || '-' || n FROM generate_series(1, :merchants) n",
            """
            INSERT INTO batches (merchant_id, name, queue, look, presets, model_version_id, style_rows, fingerprint,
                                 input_columns)
            SELECT m.id, b.name, b.queue, b.look, b.presets, b.model_version_id, b.style_rows, b.fingerprint,
                   b.input_columns
            FROM batches b, merchants m WHERE b.id = :batch AND m.name LIKE 'waiting-' || :size || '-%'
            """,
            """
            INSERT INTO chunks (batch_id, merchant_id, queue, first_ordinal, last_ordinal, pixels)
            SELECT id, merchant_id, queue, n, n, 1000000 FROM batches, generate_series(0, 299) n
            WHERE state = 'running' AND id <> :batch
            """,
        ):
            connection.execute(text(statement), values)
        connection.execute(text("ANALYZE"))

    with transaction(session.engine) as connection:
        for _ in range(40):
            fleet.register(connection, uuid4(), "cpu", SLOTS)

    def fill() -> None:
        with transaction(session.engine) as connection:
            connection.execute(text("UPDATE workers SET heartbeat_at = clock_timestamp()"))
            assert len(dispatch.fill(connection)) == 2 * 40 * SLOTS
            connection.execute(text("UPDATE chunks SET state = 'waiting' WHERE state = 'dispatched'"))

    fill()
    return min((cost_of(session, fill) for _ in range(3)), key=lambda cost: cost.core_seconds)


def exporting(session: Session, jobs: int) -> Cost:
    """Read and write results.csv and errors.csv, without the renditions' files."""
    batch = finished_batch(session, jobs)
    with tempfile.TemporaryDirectory() as folder:
        return cost_of(
            session, lambda: write_results_csv(Path(folder), batch_results(session, batch), batch.input_columns)
        )


def pruning(session: Session, jobs: int) -> Cost:
    batch = finished_batch(session, jobs)
    with transaction(session.engine) as connection:
        connection.execute(
            text("UPDATE batches SET finished_at = finished_at - interval '9 days' WHERE id = :id"), {"id": batch.id}
        )
    return cost_of(session, lambda: prune(session.engine, session.store, operator(), 1, lambda _: None))


def erasing(session: Session, jobs: int) -> Cost:
    batch = finished_batch(session, jobs)
    return cost_of(session, lambda: erase(session.engine, session.store, batch.merchant_id, lambda _: None))


def importing(session: Session, images: int) -> Cost:
    """Import a feed whose images are all new, and once more with none changed."""
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "feed.csv"
        lines = (f"sku-{n},https://shop.example/{n}.jpg\n" for n in range(images))
        feed.write_text("sku,image\n" + "".join(lines))
        shop = operator(f"feed-{uuid4().hex[:8]}")

        def twice() -> None:
            for _ in range(2):
                import_catalog(session, shop, open_manifest([str(feed)]), lambda *_: None)

        return cost_of(session, twice)


def asking(session: Session, jobs: int) -> Cost:
    """Ask ten times for a batch's state, the list of batches, and the last page of failures."""
    batch = failed_batch(session, jobs)

    def ask() -> None:
        for _ in range(10):
            with transaction(session.engine, merchant=batch.merchant_id) as connection:
                batches.find_batch(connection, batch.merchant_id, str(batch.id))
                batches.list_batches(connection, batch.merchant_id, limit=20)
                assert job_rows.failed_jobs(connection, batch.id, after=jobs - 101, limit=100)

    return cost_of(session, ask)


PARTS: dict[str, Callable[[Session, int], Cost]] = {
    "export": exporting,
    "prune": pruning,
    "erase": erasing,
    "import a feed": importing,
    "status": asking,
    "retry": retrying,
    "give up": giving_up,
    "cancel": cancelling,
    "reconcile": reconciling,
    "plan a night": planning,
} | MORE


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    options.add_argument("--merchants", type=int, nargs="+", default=[10, 100, 1000])
    options.add_argument("--only", nargs="+", default=[*PARTS, "dispatch"])
    asked = options.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    with (
        tempfile.TemporaryDirectory() as home,
        open_session(Settings(home=Path(home), statement_seconds=MAINTENANCE_SECONDS), lasting=False) as session,
    ):
        for name in asked.only:
            for size in asked.merchants if name == "dispatch" else asked.rows:
                cost = (dispatching if name == "dispatch" else PARTS[name])(session, size)
                found.setdefault(name, {})[str(size)] = {name: round(value, 3) for name, value in asdict(cost).items()}
                each = " + ".join(f"{part / size * 1e6:.1f}" for part in (cost.here, cost.postgres))
                print(f"{name:<18}{size:>10,}{cost.seconds:>10.3f} s {each:>16} core-µs each", flush=True)  # noqa: T201
    write_results("growth", {"machine": machine(), "cost": found})


if __name__ == "__main__":
    main()
