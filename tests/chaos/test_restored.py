"""A backup, as docs/operations.md describes it, restored on another machine: a batch half done goes on there."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from shared.context import Session, open_session
from shared.database import transaction
from shared.embedded.postgres import program
from shared.settings import Settings
from tests.chaos.crew import Crew, WorkerForker
from tests.invariants import assert_nothing_lost

IMAGES = 20


def address(session: Session) -> list[str]:
    """How Postgres's own programs reach a session's database."""
    assert session.settings.database_url
    url = make_url(session.settings.database_url.get_secret_value())
    parts = {"-h": url.query["host"], "-p": url.query["port"], "-U": url.username, "-d": url.database}
    return [word for option, given in parts.items() for word in (option, str(given))]


def done(connection: Connection) -> list[tuple[object, ...]]:
    rows = connection.execute(
        text("""
        SELECT l.ordinal, r.sha256, r.created_at FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
        ORDER BY l.ordinal
        """)
    )
    return [tuple(row) for row in rows]


def test_what_was_finished_is_not_done_again_and_the_rest_is_done(
    crew: Crew, forker: WorkerForker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    batch = crew.submit(IMAGES, marked=(10,))
    worker = crew.start("hold", crew.folder / "gate that stays shut")
    crew.done(batch.id, 5)
    crew.kill(worker)
    with transaction(crew.session.engine) as connection:
        finished = done(connection)
    assert 5 <= len(finished) < IMAGES
    home = tmp_path_factory.mktemp("other")
    dump = home / "atelier.dump"
    # The rows first: an object that came later harms nobody, one that is missing does.
    subprocess.run([program("pg_dump"), *address(crew.session), "-Fc", "-f", dump], check=True)
    shutil.copytree(crew.folder / "objects", home / "objects")
    with open_session(Settings(home=home), lasting=False) as session:  # which makes tables, and the merchants' role
        over = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error"]
        subprocess.run([program("pg_restore"), *address(session), *over, dump], check=True)
        there = Crew(replace(session, settings=crew.session.settings.model_copy(update=urls(session))), home, forker)
        try:
            there.end_leases()
            there.start()
            there.finished(batch.id)
        finally:
            there.close()
        assert assert_nothing_lost(there.session, batch.id)["succeeded"] == IMAGES
        with transaction(session.engine) as connection:
            again = done(connection)
        assert set(finished) <= set(again)
        assert there.puts() <= IMAGES - len(finished)
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            assert len(done(connection)) == IMAGES
        with transaction(session.engine, merchant=batch.merchant_id + 1) as connection:
            assert done(connection) == []


def urls(session: Session) -> dict[str, object]:
    """The settings that say where a session's services are."""
    return {name: getattr(session.settings, name) for name in ("home", "database_url", "broker_url")}
