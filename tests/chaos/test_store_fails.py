"""An object store that refuses, hangs, breaks off and lies, under a worker at work."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from shared.database import transaction
from shared.queue.jobs import STORED
from tests.chaos.crew import Crew
from tests.chaos.flaky_s3 import FlakyS3
from tests.chaos.store_faults import FAULTS, strike
from tests.seaweed import Seaweed


def test_what_may_pass_is_waited_for_and_no_image_pays_for_it(s3_crew: tuple[Crew, FlakyS3]) -> None:
    crew, flaky = s3_crew
    crew.submit(64)
    pid = crew.start()
    with crew.endless_work():
        for fault in FAULTS.values():
            crew.more_done(1)
            strike(crew, flaky, fault)
    crew.assert_all_succeed()
    assert not crew.gone(pid, 0)
    assert crew.scalar("SELECT sum(deaths) FROM chunks") == 0


@pytest.mark.long
def test_a_real_server_is_killed_and_what_it_had_stored_is_there(seaweed_crew: tuple[Crew, Seaweed]) -> None:
    crew, server = seaweed_crew
    crew.submit(32)
    pid = crew.start()
    with crew.endless_work():
        crew.more_done(4)
        server.kill()
        crew.complaint("service_unavailable")
        server.start()
        crew.more_done(4)
    crew.assert_all_succeed()
    assert not crew.gone(pid, 0)


def test_a_damaged_source_is_fetched_again_and_a_missing_one_fails_alone(
    s3_crew: tuple[Crew, FlakyS3],
) -> None:
    crew, flaky = s3_crew
    batch = crew.submit(8)
    with transaction(crew.session.engine) as connection:
        gone, damaged = connection.execute(text("SELECT source FROM jobs WHERE ordinal IN (2, 5) ORDER BY 1")).scalars()
    crew.session.store.delete(gone.removeprefix(STORED))
    flaky.fault = lambda request: request.damage() if damaged.removeprefix(STORED) in request.path else None
    crew.start()
    crew.wait_until(lambda: crew.scalar("SELECT count(*) FROM jobs WHERE attempts > 0") == 1, "the damage noticed")
    flaky.fault = None
    crew.finished(batch.id)
    assert crew.assert_end_state(batch.id) == {"succeeded": 7, "failed": 1, "cancelled": 0}
    assert crew.scalar("SELECT code FROM jobs WHERE state = 'failed'") == "missing_object"


def test_a_rendition_whose_object_is_gone_is_made_anew_when_it_is_reused(crew: Crew) -> None:
    first = crew.submit(6)
    crew.start()
    crew.finished(first.id)
    lost = [str(key) for key in crew.column("SELECT object_key FROM renditions ORDER BY id LIMIT 2")]
    for key in lost:
        crew.session.store.delete(key)
    second = crew.submit(6, name="again")
    crew.finished(second.id)
    assert crew.batch(second.id).reused == 4
    assert crew.assert_end_state(second.id) == crew.assert_end_state(first.id)
