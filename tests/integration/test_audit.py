"""The audit log: what is told, that it cannot be taken back, and that it is told with what it tells of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import NotAllowed
from shared.look import Look
from shared.merchants import audit
from shared.merchants.actors import Actor, Role
from shared.merchants.merchants import merchant_id
from shared.models.styles import Style
from shared.models.versions import install_definition
from shared.operations.prune import prune
from tests.atelier_command import Command, command_over, printed
from tests.builders import add_finished, add_waiting


@pytest.fixture
def atelier(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    return command_over(session, monkeypatch)


def told(session: Session) -> list[str]:
    with transaction(session.engine) as connection:
        found = audit.entries(connection, merchant=None, since=None, before=None, limit=100)
    return [one.what for one in reversed(found)]


@pytest.mark.parametrize("change", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"])
@pytest.mark.parametrize("entries", [0, 1])
def test_the_database_lets_not_even_the_owner_change_it(session: Session, change: str, entries: int) -> None:
    with transaction(session.engine) as connection:
        for _ in range(entries):
            audit.record(connection, "me@here", "cancel", None, {})
        with pytest.raises(ProgrammingError, match="only ever appended"), connection.begin_nested():
            connection.execute(text(change))
        assert connection.execute(text("SELECT count(*) FROM audit")).scalar_one() == entries


def test_what_is_undone_is_not_told(session: Session) -> None:
    with transaction(session.engine) as connection:
        audit.record(connection, "me@here", "cancel", None, {})
        connection.rollback()
    assert told(session) == []


def test_a_merchant_can_add_entries_of_his_own_alone(session: Session) -> None:
    with transaction(session.engine) as connection:
        mine, other = merchant_id(connection, "shop"), merchant_id(connection, "other")
    with transaction(session.engine, merchant=mine) as connection:
        audit.record(connection, "key 1", "cancel", mine, {})
        for whose in (other, None):
            with pytest.raises(ProgrammingError, match="row-level security"), connection.begin_nested():
                audit.record(connection, "key 1", "cancel", whose, {})


def test_what_changes_a_batch_is_told_with_who_did_it_and_when(
    session: Session, atelier: Command, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "mug.png")
    batch = printed(atelier("submit", tmp_path / "mug.png", "-s", "udnie", "-m", "shop", "--json"))["batch"]
    for command in ("pause", "resume", "retry", "cancel"):
        printed(atelier(command, batch, "-m", "shop", "--json"))
    with transaction(session.engine) as connection:
        add_finished(connection, "shop", 3)
        connection.execute(text("UPDATE batches SET finished_at = now() - interval '9 days' WHERE state = 'finished'"))
    printed(atelier("prune", "--older-than", "8", "--json"))
    printed(atelier("merchants", "allow", "shop", "s3://photos/", "--json"))
    printed(atelier("merchants", "withdraw", "shop", "s3://photos/", "--json"))
    found = printed(atelier("audit", "--merchant", "shop", "--json"))["entries"]
    whats = ["submit", "pause", "resume", "retry", "cancel", "prune", "merchants allow", "merchants withdraw"]
    assert [one["what"] for one in reversed(found)] == whats
    assert {(one["who"], one["merchant"]) for one in found} == {(audit.operator(), "shop")}
    assert {one["details"].get("batch") for one in found if one["what"] in whats[:5]} == {batch}
    assert "mug" not in str(found)


def test_entries_are_listed_a_page_at_a_time_newest_first(session: Session, atelier: Command) -> None:
    with transaction(session.engine) as connection:
        shop = merchant_id(connection, "shop")
        for number in range(5):
            audit.record(connection, "me@here", f"{number}", shop if number % 2 else None, {})
    seen: list[str] = []
    before = None
    while before is not None or not seen:
        page = printed(atelier("audit", "--limit", 2, "--json", *(["--before", before] if before else [])))
        seen += [one["what"] for one in page["entries"]]
        before = page["before"]
    assert seen == ["4", "3", "2", "1", "0"]
    assert [one["what"] for one in printed(atelier("audit", "-m", "shop", "--json"))["entries"]] == ["3", "1"]
    assert printed(atelier("audit", "--since", "2999-01-01", "--json"))["entries"] == []
    assert "me@here  4  -  {}" in atelier("audit").stdout


def test_nothing_is_told_of_what_was_refused(session: Session, atelier: Command) -> None:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 1)
    assert atelier("cancel", batch.id, "-m", "other").exit_code
    assert atelier("merchants", "allow", "shop", "http://nonsense").exit_code
    assert told(session) == []


def test_the_audit_names_the_actor_and_not_the_process(session: Session, tmp_path: Path) -> None:
    """Whoever acts through a key or a page is named; a merchant's key does neither another's work nor everybody's."""
    Image.new("RGB", (8, 8)).save(tmp_path / "mug.png")
    with transaction(session.engine) as connection:
        add_finished(connection, "shop", 3)
        connection.execute(text("UPDATE batches SET finished_at = now() - interval '9 days'"))
        shop, other = merchant_id(connection, "shop"), merchant_id(connection, "other")
    admin, key = Actor(Role.ADMIN, "key admin", "shop"), Actor(Role.MERCHANT, "key shop", shop)
    order = Order("shop", open_manifest([str(tmp_path / "mug.png")]), (Look((("halftone", 1.0),)),), actor=key)
    submit_batch(session, order)
    prune(session.engine, session.store, admin, 8, lambda _: None)
    definition = json.dumps({"kind": "halftone"}).encode()
    style = Style("dots", "Dots", "", "", "")
    install_definition(session.engine, session.store, admin, style, definition, what="styles import")
    with pytest.raises(NotAllowed):
        submit_batch(session, replace(order, actor=replace(key, merchant=other)))
    with pytest.raises(NotAllowed):
        prune(session.engine, session.store, key, 8, lambda _: None)
    with pytest.raises(NotAllowed):
        install_definition(session.engine, session.store, replace(key, merchant=None), style, definition, what="x")
    with transaction(session.engine) as connection:
        found = audit.entries(connection, merchant=shop, since=None, before=None, limit=100)
    assert [(one.who, one.what) for one in reversed(found)] == [
        ("key shop", "submit"), ("key admin", "prune"), ("key admin", "styles import")
    ]  # fmt: skip
