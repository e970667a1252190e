"""Every bench in a tiny form: that it runs and does all that it measures. How fast is nobody's business here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import torch
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.embedded import Services
from tests.bench import (
    generator_share,
    generator_speed,
    machinery,
    memory,
    pipeline,
    planner,
    preview_latency,
    protection,
    queues,
    side_by_side,
    soak,
    submission,
)
from tests.bench.installation import ROOT
from tests.bench.real_worker import warm_worker
from tests.builders import FAILED_IN
from tests.sessions import fresh_session
from tests.waiting import LIMIT_SECONDS

WHOLE = (0.0, 1.0)
"""Shares between which is measured: where there are so few images, the middle may be none."""

TINY_PX = 64


@dataclass(frozen=True)
class Working:
    """A session, and the warm worker that works for it."""

    session: Session
    pid: int

    def count(self, condition: str) -> int:
        return count(self.session, condition)


def count(session: Session, condition: str) -> int:
    """Count the jobs that meet a condition."""
    with transaction(session.engine) as connection:
        found = connection.execute(text(f"SELECT count(*) FROM jobs j JOIN batches b ON b.id = batch_id {condition}"))
        return int(found.scalar_one())


@pytest.fixture(scope="module")
def working(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Working]:
    with fresh_session(services, tmp_path_factory.mktemp("bench")) as session, warm_worker(session) as pid:
        yield Working(session, pid)


def test_pipeline(working: Working) -> None:
    watched = pipeline.Watched(working.session, working.pid, WHOLE)
    figures = pipeline.measure(watched, [("tiny", ((TINY_PX, TINY_PX), (96, TINY_PX)))], images=3, times=2)
    assert figures["tiny"].keys() >= {"bare", "worker", "worker_to_bare", "core_ms"}
    assert working.count("WHERE b.name LIKE 'tiny%' AND j.state = 'succeeded'") == 3 * 2


def test_preview_latency(working: Working) -> None:
    figures = preview_latency.measure(working.session, 2, 5, side=TINY_PX, bulk=3)
    assert figures["idle"].keys() == figures["loaded"].keys() == {"p50", "p95"}
    assert working.count("WHERE b.queue = 'preview' AND j.state = 'succeeded'") == 2 * (2 + 1)
    assert working.count("WHERE b.name = '5 photos'") == 5


def test_memory(working: Working) -> None:
    figures = memory.measure(working.session, working.pid, 6, large_px=256)
    assert 1 <= len(figures["worker_mib"]) <= 22
    assert working.count("WHERE b.name IN ('small', 'large') AND j.state = 'succeeded'") == 6 + 1


def test_side_by_side(working: Working) -> None:
    settings = working.session.settings
    assert settings.broker_url
    with ExitStack() as stack:
        strawman = side_by_side.strawman(settings.broker_url.get_secret_value(), "atelier", "1")
        contenders = {
            "Atelier": side_by_side.atelier(working.session),
            "task per image": stack.enter_context(strawman),
            "script over a folder, baseline network": side_by_side.script("baseline"),
        }
        rounds = side_by_side.in_turn(contenders, settings.home, (TINY_PX, TINY_PX), [3])
    assert {name: [one.painted for one in done] for name, done in rounds.items()} == {name: [3] for name in contenders}


def test_machinery(session: Session) -> None:
    machinery.fill(session, 1000)
    measured = machinery.measure(session, machinery.Setting(1, 64, 10, 16, 0.0), warm_share=0.0)
    assert measured.jobs_done >= 64
    assert measured.per_chunk["statements"] > measured.per_chunk["transactions"] > 1
    assert count(session, "WHERE j.state = 'failed'") == 1000 * 4 // 5 // FAILED_IN


@pytest.mark.parametrize("rival", queues.rivals(1), ids=lambda rival: rival.name)
def test_queues(session: Session, rival: queues.Rival) -> None:
    measured = queues.measure(rival, session, 20, writes=True, between=WHOLE)
    assert measured.jobs_done == 20


def test_soak(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_LEASE_SECONDS", "20")
    monkeypatch.setenv("ATELIER_SWEEP_SECONDS", "1")
    monkeypatch.setenv("ATELIER_SOURCE_NETWORKS", "127.0.0.0/8")
    sizes = {"small": 4, "middle": 20, "large": 100}
    figures = soak.measure(session, 200, LIMIT_SECONDS, others=1, sizes=sizes, alone_times=1, tar_pit_jobs=1)
    assert figures["kills"] == 1
    assert figures["jobs"] >= 200
    assert figures["exports"] >= 1
    assert figures["waits"].keys() == sizes.keys()
    expected = {"succeeded": figures["jobs"], "others": 0, "links": figures["jobs"], "doubled": 0, "miscounted": 0}
    assert {name: figures[name] for name in expected} == expected
    assert figures["tar_pit_jobs_done"] == 0


def test_submission(session: Session) -> None:
    figures = submission.measure(session, 30, 1, local_images=2)
    assert figures["rows"] == 30
    assert figures["core_us_per_row"].keys() >= {"read lines", "make jobs", "COPY and insert jobs", "dispatch"}
    assert count(session, "WHERE b.total = 30") == 30


def test_planner(session: Session) -> None:
    figures = planner.measure(session, 2 * planner.CHANGED_ONE_IN)
    assert figures["steps"].keys() == {"first import", "second import", "plan"}
    assert figures["planned"] == 2


def test_generator_share() -> None:
    figures = generator_share.measure(generator_share.sample_files()[:2], ["udnie"], 1)
    assert (figures["pictures"], figures["succeeded"]) == (2, [2])


def test_generator_speed() -> None:
    figures = generator_speed.measure(torch.device("cpu"), [32], 1)
    assert len(figures["by_px"]["32"]) == 4 + 2


def test_protection() -> None:
    photos = [ROOT / "samples" / "photos" / f"{name}.jpg" for name in ("handbag", "water-bottle")]
    figures = protection.run(photos, photos, ["udnie"], TINY_PX)
    assert figures["photos"] == 2
    by_version = figures["figures"]
    assert isinstance(by_version, dict)
    assert (
        by_version["protected"]["median_delta_e"]["coloured"] < by_version["unprotected"]["median_delta_e"]["coloured"]
    )
    assert by_version["protected"]["nearest_to_own_photo"] == 1.0
