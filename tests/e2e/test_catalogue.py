"""A catalogue by the real commands, styled by a real worker process that also gets beat's ticks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text

from shared.broker import CHECK_SOURCES, CONTROL_QUEUE, NIGHTLY
from shared.context import Session
from shared.database import transaction
from tests.atelier_command import Command, command_over, printed
from tests.waiting import wait_until
from tests.web_host import answer, serving


@pytest.fixture
def atelier(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    return command_over(session, monkeypatch)


@pytest.fixture
def worker(session: Session, atelier: Command) -> Iterator[subprocess.Popen[bytes]]:
    """A worker over the session's services, which ``atelier`` has put into the environment."""
    environment = os.environ | {
        "ATELIER_SWEEP_SECONDS": "0.5",
        "ATELIER_LANES": "1",
        "ATELIER_SOURCE_NETWORKS": "127.0.0.0/8",
    }
    process = subprocess.Popen([sys.executable, "-m", "producer.commands.main", "worker"], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def beat_until(session: Session, condition: Callable[[], bool], event: str, task: str = NIGHTLY) -> None:
    """Send ticks, as beat does, until something has come about; another when the worker has taken the one before."""

    def beat() -> bool:
        with session.broker.app.connection_for_read() as connection:
            if not connection.default_channel.client.llen(CONTROL_QUEUE):
                session.broker.app.send_task(task, queue=CONTROL_QUEUE)
        return condition()

    wait_until(beat, event)


def paint(path: Path, colour: str) -> None:
    """Draw something in a colour: flat pictures all become the same rendition."""
    mask = Image.radial_gradient("L").resize((64, 48))
    Image.composite(Image.new("RGB", (64, 48), colour), Image.new("RGB", (64, 48), "black"), mask).save(path)


def test_a_catalogue_is_imported_planned_styled_shown_and_reverted(
    session: Session, atelier: Command, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    for name, colour in (("mug", "red"), ("lamp", "green"), ("sofa", "blue")):
        paint(tmp_path / f"{name}.png", colour)
    feed = tmp_path / "feed.csv"
    feed.write_text("sku,image,category\nA,mug.png,kitchen\nB,lamp.png,light\nC,sofa.png,seats\nD,gone.png,\n")

    def listed() -> dict[str, Any]:
        return {one["sku"]: one for one in printed(atelier("catalog", "list", "--json"))["images"]}

    done = printed(atelier("catalog", "import", feed, "--json"))
    assert (done["added"], done["bad"], done["bad_rows"][0]["code"]) == (3, 1, "image_not_found")
    assert printed(atelier("catalog", "look", "set", "default", "-s", "udnie", "--json"))["state"] == "new"
    assert atelier("catalog", "look", "set", "category=light", "-s", "nope").exception is not None
    dry = printed(atelier("nightly", "--dry-run", "--json"))
    assert (dry["by_reason"]["missing"], dry["images"], dry["proof"]) == (3, 3, None)
    assert printed(atelier("status", "--json")) == []

    planned = printed(atelier("nightly", "--json"))
    assert planned["state"] == "planned"
    beat_until(session, lambda: all(one["object_key"] for one in listed().values()), "renditions of all images")
    first = listed()
    assert all(session.store.exists(one["object_key"]) for one in first.values())

    paint(tmp_path / "mug.png", "yellow")
    assert printed(atelier("catalog", "import", feed, "--json"))["changed"] == 1
    assert printed(atelier("nightly", "--json"))["by_reason"]["source_changed"] == 1
    beat_until(session, lambda: listed()["A"]["object_key"] != first["A"]["object_key"], "the new mug's rendition")
    assert printed(atelier("catalog", "revert", "--sku", "A", "--json")) == {"moved": 1}
    assert listed()["A"]["object_key"] == first["A"]["object_key"]
    history = printed(atelier("catalog", "history", "A", "--json"))
    assert [one["action"] for one in history] == ["revert", "publish", "publish"]
    assert worker.poll() is None


def test_a_picture_that_changes_at_its_address_is_styled_by_the_next_night(
    session: Session, atelier: Command, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    def put(colour: str) -> None:
        paint(tmp_path / "mug.png", colour)
        host.answers["/mug.png"] = answer(200, f"ETag: {colour}", body=(tmp_path / "mug.png").read_bytes())

    def shown() -> str | None:
        return printed(atelier("catalog", "list", "--json"))["images"][0]["object_key"]  # type: ignore[no-any-return]

    with serving() as host:
        put("red")
        feed = tmp_path / "feed.csv"
        feed.write_text(f"sku,image\nA,{host.url('/mug.png', '127.0.0.1')}\n")
        assert printed(atelier("catalog", "import", feed, "--json"))["added"] == 1
        atelier("catalog", "look", "set", "default", "-s", "udnie")
        atelier("schedules", "set", "0 1 1 1 *", "--checks", 500)
        atelier("nightly")
        beat_until(session, lambda: shown() is not None, "a rendition")
        before = shown()
        put("yellow")
        with transaction(session.engine) as connection:  # a day later
            connection.execute(text("UPDATE catalog_images SET check_at = clock_timestamp()"))
        checks = ("catalog", "checks", "--json")
        beat_until(session, lambda: printed(atelier(*checks))["changed"] == 1, "the change to be found", CHECK_SOURCES)
        assert printed(atelier("nightly", "--json"))["by_reason"]["source_changed"] == 1
        beat_until(session, lambda: shown() != before, "another rendition")
    assert printed(atelier(*checks)) | {"days": None} == {
        "images": 1, "changed": 0, "gone": 0, "due": 0, "due_since": None, "checks": 500, "days": None
    }  # fmt: skip


def test_schedules_are_rows_that_commands_change(session: Session, atelier: Command) -> None:
    set_one = ("schedules", "set", "30 1 * * *", "--zone", "Europe/Berlin", "--until", "06:00", "--images", 500)
    made = printed(atelier(*set_one, "--json"))
    assert (made["images"], made["ends_at"], len(made["next"])) == (500, "06:00", 3)
    assert atelier("schedules", "set", "0 2 30 2 *").exit_code != 0
    for wrong in ("--until=01:02", "--until=six", "--zone=X", "--format=gif", "--images=-1"):
        assert atelier("schedules", "set", "0 1 * * *", wrong).exit_code != 0
    assert printed(atelier("schedules", "list", "--json")) == [made]
    assert [(one["merchant"], one["stale"]) for one in printed(atelier("nightly", "--all", "--dry-run", "--json"))] == [
        ("local", 0)
    ]
    assert atelier("nightly", "--all", "-m", "local").exception is not None
    for pause, paused in (("pause", True), ("resume", False)):
        for whose in ((), ("--all",)):
            printed(atelier("schedules", pause, *whose, "--json"))
        assert printed(atelier("schedules", "list", "--json"))[0]["paused"] is paused
    assert printed(atelier("schedules", "calendar", "--json"))["next"] == made["next"]
    assert printed(atelier("proofs", "list", "--json")) == []
    for command in ("list", "calendar"):
        assert atelier("schedules", command).exit_code == 0
    printed(atelier("schedules", "remove", "--json"))
    assert printed(atelier("schedules", "list", "--json")) == []
