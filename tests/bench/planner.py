"""How long does it take to import a feed and to plan a night? Run it as ``python -m tests.bench.planner``.

A catalogue of which everything is styled gets a feed in which one image of 200 is another, through the command's
own functions, and a night is planned for it. Prints seconds and core-seconds of this process and of Postgres, and
writes ``tests/bench/results/planner.json``. Nothing is asserted. ``--images 1000000`` is the size of a large shop.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from producer.catalog_import import import_catalog
from producer.manifest import open_manifest
from shared.catalog.looks import set_look
from shared.catalog.nights import begin_now
from shared.catalog.schedules import NightRules
from shared.catalog.tick import plan_waiting
from shared.context import Session
from shared.database import transaction
from shared.look import Look
from shared.merchants.actors import operator
from shared.merchants.scope import scope
from tests.bench.installation import installation, postgres_core_seconds, server_pids
from tests.bench.results import machine, write_results

CHANGED_ONE_IN = 200

Figures = dict[str, dict[str, float]]


def write_feed(path: Path, images: int, changed: bool) -> None:
    with path.open("w") as file:
        file.write("sku,image,category,hash\n")
        for n in range(images):
            content = f"{n}-2" if changed and n % CHANGED_ONE_IN == 0 else f"{n}"
            file.write(f"SKU-{n:07d},s3://shop-photos/{n % 100:02d}/{n:07d}.jpg,category {n % 50},{content}\n")


@contextmanager
def measured(session: Session, name: str, into: Figures) -> Iterator[None]:
    postmaster = server_pids(session)["postgres"]
    there, here, started = postgres_core_seconds(postmaster), time.process_time(), time.perf_counter()
    yield
    into[name] = {
        "seconds": round(time.perf_counter() - started, 2),
        "core_seconds": round(time.process_time() - here, 2),
        "postgres_core_seconds": round(postgres_core_seconds(postmaster) - there, 2),
    }


def measure(session: Session, images: int) -> dict[str, Any]:
    """Import a feed twice and plan a night, which has to find what the second changed."""
    steps: Figures = {}
    with scope(session.engine, "local") as (connection, mine):
        set_look(connection, mine, "default", "", Look((("udnie", 1.0),)), follows_model=False)
        connection.execute(text("UPDATE catalog_looks SET state = 'approved'"))
    for name, changed in (("first import", False), ("second import", True)):
        path = session.settings.home / f"{changed}.csv"
        write_feed(path, images, changed)
        with measured(session, name, steps):
            import_catalog(session, operator("local"), open_manifest([str(path)]), lambda *_: None)
        if not changed:
            settle_all(session, mine)
    now = datetime.now(UTC)
    with transaction(session.engine) as connection:
        night = begin_now(connection, mine, NightRules(), now)
    with measured(session, "plan", steps):
        plan_waiting(session.engine, session.settings, now, only=night)
    with transaction(session.engine) as connection:
        planned = connection.execute(
            text("SELECT b.total FROM nights n JOIN batches b ON b.id = n.batch_id WHERE n.id = :id"), {"id": night}
        ).scalar_one()
    return {"images": images, "planned": planned, "steps": steps}


def settle_all(session: Session, merchant: int) -> None:
    """Let everything be styled, as the planner sees it."""
    with transaction(session.engine) as connection:
        night = begin_now(connection, merchant, NightRules(images=1), datetime.now(UTC))
    plan_waiting(session.engine, session.settings, datetime.now(UTC), only=night)
    with transaction(session.engine) as connection:
        connection.execute(
            text("""
            UPDATE catalog_images i SET styled_content = i.content, styled_look = n.look, styled_model = n.model
            FROM night_images n
            """)
        )
        connection.execute(text("UPDATE nights SET settled_at = now()"))
    with session.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) catalog_images"))


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    arguments = parser.parse_args()
    with installation() as session:
        write_results("planner", {"machine": machine()} | measure(session, arguments.images))


if __name__ == "__main__":
    main()
