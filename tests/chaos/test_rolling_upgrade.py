"""Workers of two releases over one database, and a migration while both work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url

from shared import database
from shared.context import Session
from shared.database import installed_revision, make_engine, transaction, upgrade
from shared.embedded import Services
from tests.chaos import next_release
from tests.chaos.crew import Crew, photos
from tests.chaos.servers import Servers
from tests.invariants import assert_nothing_lost
from tests.sessions import as_superuser, fresh_session
from tests.waiting import LIMIT_SECONDS, wait_until

ROOT = Path(__file__).parents[2]

SINCE_REVISION = "0022"
"""The earlier release is the one before this migration was added. Earlier ones had other numbers for some of theirs."""

RELEASES = "SELECT count(DISTINCT pipeline_version) FROM renditions"


def test_old_workers_go_on_over_newer_tables_and_new_ones_take_over(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew.submit(64)
    old = [crew.start(), crew.start()]
    with crew.endless_work():
        crew.more_done(8)
        with monkeypatch.context() as patch:
            patch.setattr(database, "MIGRATIONS", next_release.add_migration(tmp_path / "migrations"))
            assert upgrade(crew.session.engine) == [next_release.REVISION]
        crew.more_done(8)
        crew.kill(old[0])  # and its supervisor starts the old release again
        crew.end_leases(old[0])
        old[0] = crew.start()
        crew.more_done(8)
        new = crew.start("next-release")
        crew.wait_until(lambda: crew.scalar(RELEASES) == 2, "renditions of both releases")
        for pid in old:
            crew.kill(pid, signal.SIGTERM)
        crew.more_done(8)
    crew.assert_all_succeed()
    assert not crew.gone(new, 0)
    assert [(crew.folder / f"{pid}.exit").read_text() for pid in old] == ["0", "0"]


@contextmanager
def earlier_release(folder: Path) -> Iterator[Path]:
    """Check out the code as it was before a migration was added; skip the test without that history."""
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run(
        [*git, "log", "--diff-filter=A", "--format=%H", "--", f"migrations/versions/{SINCE_REVISION}_*"],
        capture_output=True,
        text=True,
        check=False,
    )
    before = f"{found.stdout.strip()}^"
    archive = subprocess.run([*git, "archive", before, "--output", f"{folder}.tar"], capture_output=True, check=False)
    if not found.stdout or archive.returncode != 0:
        pytest.skip("the earlier release takes this repository's history")
    shutil.unpack_archive(f"{folder}.tar", folder, filter="data")
    assert revisions(folder) < revisions(ROOT), "a migration was renumbered since the earlier release"
    yield folder


def revisions(code: Path) -> set[str]:
    return {path.name for path in (code / "migrations" / "versions").glob("[0-9]*.py")}


@contextmanager
def empty_session(services: Services, folder: Path) -> Iterator[Session]:
    """Open a session over a database without tables."""
    server = make_url(services.database_url)
    name, admin = f"rolling_{uuid4().hex}", as_superuser(server)
    with fresh_session(services, folder) as session:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} OWNER {server.username}"))
        url = server.set(database=name).render_as_string(hide_password=False)
        engine = make_engine(url)
        settings = session.settings.model_copy(update={"database_url": SecretStr(url)})
        try:
            yield replace(session, engine=engine, settings=settings)
        finally:
            engine.dispose()
            with admin.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            admin.dispose()


class Release:
    """The code of a release, and the processes that run it for a session."""

    def __init__(self, code: Path, session: Session, home: Path) -> None:
        settings = session.settings
        assert settings.database_url
        assert settings.broker_url
        self.code, self.home = code, home
        home.mkdir()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("ATELIER_")} | {
            "PYTHONPATH": str(code),
            "ATELIER_HOME": str(home),
            "ATELIER_DATABASE_URL": settings.database_url.get_secret_value(),
            "ATELIER_BROKER_URL": settings.broker_url.get_secret_value(),
            "ATELIER_STORE_URL": session.store.url,
            "ATELIER_LEASE_SECONDS": "30",
            "ATELIER_SWEEP_SECONDS": "1",
            "ATELIER_CHUNK_MEGAPIXELS": "0.03",
        }

    def start(self, *command: str) -> subprocess.Popen[str]:
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "producer.commands.main", *command],
                env=self.environment,
                cwd=self.code,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def run(self, *command: str) -> str:
        process = self.start(*command)
        told, _ = process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode == 0, self.log()
        return told

    def submit(self, folder: Path, images: int) -> UUID:
        """Submit so many photos, of which no other folder has the same files."""
        made = photos(folder, images, trailer=folder.name.encode())
        return UUID(json.loads(self.run("submit", str(made), "--style", "udnie", "--json"))["batch"])

    def log(self) -> str:
        return (self.home / "log").read_text()


@pytest.mark.long
def test_workers_of_an_earlier_commit_and_of_this_one_share_a_database(servers: Servers, tmp_path: Path) -> None:
    """Tables are upgraded under an earlier release's workers; they style what this release takes in; it takes over."""
    with earlier_release(tmp_path / "earlier") as code, empty_session(servers.services, tmp_path) as session:
        earlier = Release(code, session, tmp_path / "earlier-home")
        this = Release(ROOT, session, tmp_path / "home")
        earlier.run("db", "upgrade")
        before = installed_revision(session.engine)
        batches = [earlier.submit(tmp_path / "before", 200)]
        workers = [earlier.start("worker"), earlier.start("worker")]
        try:
            wait_until(lambda: done(session, batches[0]) >= 20, "20 images of the earlier release")
            this.run("db", "upgrade")
            batches.append(this.submit(tmp_path / "between", 40))
            wait_until(lambda: done(session, batches[1]) == 40, "the earlier release over the newer tables")
            workers.append(this.start("worker"))
            wait_until(lambda: fleet(session) == 3, "the worker of this release")
            batches.append(this.submit(tmp_path / "mixed", 200))
            wait_until(lambda: done(session, batches[2]) >= 20, "20 images of both releases")
            for worker in workers[:2]:
                worker.terminate()
            assert [worker.wait(LIMIT_SECONDS) for worker in workers[:2]] == [0, 0], earlier.log()[-5000:]
            batches.append(this.submit(tmp_path / "after", 40))
            wait_until(lambda: [done(session, batch) for batch in batches] == [200, 40, 200, 40], "all batches")
            workers[2].terminate()
            assert workers[2].wait(LIMIT_SECONDS) == 0, this.log()[-5000:]
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()
        assert before is not None
        assert before < SINCE_REVISION
        assert installed_revision(session.engine) == database.newest_revision()
        for batch, images in zip(batches, (200, 40, 200, 40), strict=True):
            assert assert_nothing_lost(session, batch) == {"succeeded": images, "failed": 0, "cancelled": 0}


def done(session: Session, batch: UUID) -> int:
    with transaction(session.engine) as connection:
        found = connection.execute(
            text("SELECT count(*) FROM jobs WHERE batch_id = :id AND state <> 'queued'"), {"id": batch}
        )
        return int(found.scalar_one())


def fleet(session: Session) -> int:
    with transaction(session.engine) as connection:
        return int(connection.execute(text("SELECT count(*) FROM workers")).scalar_one())
