"""Trainers that are killed, told to stop or cancelled in mid-slice, beside workers that style."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.database import transaction
from shared.look import Look
from shared.models.training.runs import cancel_run
from shared.models.training.tick import publish_due
from shared.models.versions import champion
from tests.chaos.crew import Crew
from tests.random_vgg import write_random_vgg
from tests.training_setup import School, held_out, shape
from workers.process.trainer import NICE
from workers.training.retraining import train_slice

TRAINER = "worker --queue train"
ENDLESS = 100_000
PLAIN = Look((("plain", 1.0),))


@pytest.fixture
def school(crew: Crew, tmp_path: Path) -> School:
    vgg = write_random_vgg(tmp_path / "vgg.safetensors")
    crew.environment |= {"ATELIER_VGG": str(vgg), "ATELIER_DEVICE": "cpu"}
    school = School.found(crew.session, tmp_path, vgg)
    school.merchant("shop", [*range(12), *held_out(8)])
    return school


def step(school: School, run_id: UUID) -> int:
    return school.run(run_id).step


def test_a_trainer_killed_in_mid_slice_leaves_the_curve_of_an_undisturbed_run(crew: Crew, school: School) -> None:
    straight = school.train(school.queue(steps=6))
    killed = school.queue(steps=6)
    with school.context(slice_minutes=0) as context:
        train_slice(context, killed)  # saved after the first step
    assert crew.gone(crew.start("dies-training", 4, TRAINER)), "the trainer went past its fourth step"
    left = school.run(killed)
    assert (left.state, left.step, [one.step for one in left.saved]) == ("training", 4, [1])
    with transaction(crew.session.engine) as connection:
        connection.execute(text("UPDATE training_runs SET lease_expires_at = clock_timestamp() WHERE lease > 1"))
    crew.start(command=TRAINER)
    crew.wait_until(lambda: school.run(killed).over, "the end of the run")
    run = school.run(killed)
    assert (run.state, run.step, shape(run)) == ("finished", 6, shape(straight))
    assert run.candidate_id == straight.candidate_id  # the very same trunk


def test_a_trainer_killed_while_it_compares_leaves_one_verdict_to_the_next(crew: Crew, school: School) -> None:
    run_id = school.queue(steps=2, rule="if-no-style-regresses-by 99%")
    assert crew.gone(crew.start("dies-comparing", command=TRAINER)), "the trainer went past the comparison"
    left = school.run(run_id)
    assert (left.state, left.verdict_id) == ("comparing", None)
    with transaction(crew.session.engine) as connection:
        connection.execute(text("UPDATE training_runs SET lease_expires_at = clock_timestamp() WHERE lease > 0"))
    crew.start(command=TRAINER)
    crew.wait_until(lambda: school.run(run_id).over, "the end of the run")
    run = school.run(run_id)
    assert (run.state, run.candidate_id) == ("finished", left.candidate_id)
    with transaction(crew.session.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM verdicts")).scalar_one() == 1
        assert champion(connection).id == run.candidate_id
    assert school.states(run_id) == []


def test_a_stopped_run_is_saved_and_goes_on_and_a_cancelled_one_makes_room(crew: Crew, school: School) -> None:
    long, short = school.queue(steps=ENDLESS, overrides={"validate_every": ENDLESS}), school.queue(steps=2)
    batch = crew.submit(4, look=PLAIN)
    trainer = crew.start(command=TRAINER)
    crew.wait_until(lambda: step(school, long) > 0, "the first steps")
    assert os.getpriority(os.PRIO_PROCESS, trainer) >= NICE
    crew.kill(trainer, signal.SIGTERM)
    (saved,) = school.run(long).saved
    assert saved.step == step(school, long) > 0
    crew.start(command=TRAINER)
    crew.wait_until(lambda: step(school, long) > saved.step, "steps of another trainer")
    assert school.run(short).state == "queued"
    with transaction(crew.session.engine) as connection:
        cancel_run(connection, long, "no longer wanted")
    crew.wait_until(lambda: school.run(short).over, "the end of the next run")
    assert (school.run(long).state, school.run(short).state) == ("cancelled", "finished")
    crew.wait_until(lambda: school.states(long) == [], "the removal of its states")
    assert crew.batch(batch.id).done == 0  # a trainer styles nothing


def test_a_styling_worker_takes_no_message_that_is_for_trainers(crew: Crew, school: School) -> None:
    run = school.queue(steps=2)
    publish_due(crew.session.engine, crew.session.broker)
    batch = crew.submit(4, look=PLAIN)
    crew.start()
    crew.finished(batch.id)
    assert (school.run(run).state, crew.session.broker.runs_held()) == ("queued", 1)
