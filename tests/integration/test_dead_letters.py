"""Images that failed, over all batches: counted, looked at, tried again, given up."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from typer.testing import Result

from shared.context import Session
from shared.database import transaction
from shared.errors import NotFound
from tests.atelier_command import command_over, printed
from tests.builders import FAILED_IN, add_finished, add_waiting
from tests.invariants import miscounted


@pytest.fixture
def batches(session: Session) -> dict[str, str]:
    """Two merchants' batches with failures of two codes, and one without any."""
    with transaction(session.engine) as connection:
        made = {name: str(add_finished(connection, name, 4 * FAILED_IN).id) for name in ("one", "two")}
        add_waiting(connection, "one", 3)
        connection.execute(
            text("""
            UPDATE jobs SET code = 'source_unavailable', retryable = true
            WHERE state = 'failed' AND ordinal < :first
            """),
            {"first": FAILED_IN},
        )
    return made


def test_they_are_counted_first_and_nothing_happens_without_yes(
    session: Session, batches: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier = command_over(session, monkeypatch)
    listed = printed(atelier("dead-letters", "list", "--json"))
    assert sorted((one["merchant"], one["code"], one["images"], one["retryable"]) for one in listed) == [
        (name, code, images, retryable)
        for name in ("one", "two")
        for code, images, retryable in (("source_unavailable", 1, 1), ("unreadable_image", 3, 0))
    ]
    told = atelier("dead-letters", "discard", "--code", "unreadable_image")
    assert "6 images in 2 batches: 6 unreadable_image" in told.stderr
    assert "--yes" in told.stderr
    assert printed(atelier("dead-letters", "list", "--json")) == listed


def test_they_are_tried_again_by_code_and_merchant_and_their_batches_run_again(
    session: Session, batches: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier = command_over(session, monkeypatch)
    done = printed(atelier("dead-letters", "replay", "-m", "one", "--code", "source_unavailable", "--yes", "--json"))
    assert done == {"found": 1, "batches": 1, "done": 1}
    status = json.loads(atelier("status", batches["one"], "-m", "one", "--json").stdout)
    assert (status["state"], status["failed"]) == ("running", 3)
    assert {one["merchant"] for one in printed(atelier("dead-letters", "list", "--json"))} == {"one", "two"}
    assert miscounted(session) == []
    entries = printed(atelier("audit", "-m", "one", "--json"))
    assert "dead letters: replay" in str(entries)


def test_given_up_they_count_as_cancelled_and_the_batch_has_no_failure_left(
    session: Session, batches: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier = command_over(session, monkeypatch)
    atelier("dead-letters", "discard", batches["two"], "-m", "two", "--yes")
    status = printed(atelier("status", batches["two"], "-m", "two", "--json"))
    assert (status["state"], status["failed"], status["cancelled"]) == ("finished", 0, 4)
    assert miscounted(session) == []


def test_one_is_shown_with_all_that_is_known_and_only_to_its_merchant(
    session: Session, batches: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier = command_over(session, monkeypatch)
    shown = printed(atelier("dead-letters", "show", batches["one"], FAILED_IN - 1, "-m", "one", "--json"))
    assert (shown["sku"], shown["code"]) == (f"sku-{FAILED_IN - 1}", "source_unavailable")
    with pytest.raises(NotFound, match="no batch"):
        raise_of(atelier("dead-letters", "show", batches["one"], FAILED_IN - 1, "-m", "two"))
    with pytest.raises(NotFound, match="atelier failures"):
        raise_of(atelier("dead-letters", "show", batches["one"], 0, "-m", "one"))


def raise_of(result: Result) -> None:
    assert result.exception
    raise result.exception
