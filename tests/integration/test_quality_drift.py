"""Drift of what the champion paints: seen by the runs that look for drift, though the photos are what they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.context import Session
from shared.crontab import Crontab
from shared.database import transaction
from shared.models.training import schedules
from shared.models.training.quality import LEAST_BATCHES, quality_of_batches
from shared.models.training.requests import RunSpec
from shared.models.training.runs import list_runs
from shared.models.training.tick import tick
from tests.builders import add_finished
from tests.random_vgg import write_random_vgg
from tests.training_setup import QUICK, School

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def paint(school: School, batches: int, *, distance: float) -> None:
    """Let the champion finish batches of two images each, whose content distances lie about a mean."""
    with transaction(school.session.engine) as connection:
        for number in range(batches):
            batch = add_finished(connection, f"shop-{number % 4}", 2)
            connection.execute(
                text("""
                UPDATE renditions SET quality = jsonb_build_object('content_distance', CAST(:distance AS float8),
                    'product_delta_e', 10 + CAST(:number AS int) % 5, 'white_kept', 1, 'strength', 1)
                WHERE id IN (SELECT rendition_id FROM job_renditions WHERE batch_id = :batch)
                """),
                {"distance": distance + number % 10 / 100, "number": number, "batch": batch.id},
            )


def test_a_drift_run_goes_on_where_the_champions_renditions_have_become_worse(session: Session, tmp_path: Path) -> None:
    school = School.found(session, tmp_path, write_random_vgg(tmp_path / "vgg.safetensors"))
    school.merchant("shop", range(40))
    with transaction(school.session.engine) as connection:
        wanted = RunSpec("decoder", (), 2, 40, QUICK)
        schedules.set_schedule(connection, "drift", Crontab("0 1 * * *", "UTC"), wanted, MONDAY)

    def check(day: int) -> tuple[str, str | None]:
        assert tick(school.session.engine, MONDAY + timedelta(days=day)) == 1
        with transaction(school.session.engine) as connection:
            (run,) = list_runs(connection, 1)
        done = school.train(run.id)
        return done.state, done.code

    paint(school, LEAST_BATCHES - 1, distance=0.3)
    assert check(1) == ("cancelled", "no_drift")  # too few to compare with
    paint(school, 1, distance=0.3)
    with transaction(school.session.engine) as connection:
        found = quality_of_batches(connection)
    assert len(found) == LEAST_BATCHES
    assert sum(one["content_distance"] for one in found) / len(found) == pytest.approx(0.345, abs=0.01)
    assert check(2) == ("cancelled", "no_drift")  # the first that are compared with
    paint(school, 10, distance=0.3)
    assert check(3) == ("cancelled", "no_drift")
    paint(school, 90, distance=0.6)
    assert check(4) == ("finished", None)
