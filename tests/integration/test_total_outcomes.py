"""A job's fate is total: whatever its outcome holds, it is recorded, and no neighbour waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from producer.manifest import Manifest, ManifestRow
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import InvalidInput, SourceUnavailable
from shared.look import Look
from shared.queue import batches, chunks
from shared.queue.chunks import Claim
from shared.queue.jobs import Failed, PutBack
from shared.queue.outcomes import Outcome, Succeeded
from shared.queue.renditions import NewRendition, RenditionKey
from shared.source_copies import SourceCopy, find_copy, keep_copy
from tests.builders import add_waiting
from tests.invariants import miscounted
from workers.styling.record_outcomes import REFUSED, finish

JOBS = 9
KEY = RenditionKey("source", "look", "trunk", "jpeg")
MADE = NewRendition(KEY, "renditions/1", "sha256", 1, 1, 1)

REFUSED_BY_POSTGRES: dict[str, Outcome] = {
    "a number too large": Succeeded(4, [KEY], [replace(MADE, width=2**40)]),
    "a NUL in a key": Succeeded(4, [replace(KEY, preset="a\0b")], [replace(MADE, key=replace(KEY, preset="a\0b"))]),
    "a surrogate in a key": Succeeded(4, [KEY], [replace(MADE, object_key="\ud800")]),
    "a delay that no clock has": PutBack(4, 1e300),
    "a delay that is no number": PutBack(4, float("nan")),
    "attempts too many": PutBack(4, 1.0, attempts=2**20),
    "a code with a NUL": Failed(4, "a\0b", "as if"),
}


@pytest.fixture
def claim(session: Session) -> Claim:
    with transaction(session.engine) as connection:
        add_waiting(connection, "shop", JOBS)
        chunk = connection.execute(text("SELECT id FROM chunks")).scalar_one()
        found = chunks.claim(connection, chunk, uuid4(), 60)
    assert found
    return found


def jobs(session: Session) -> list[Any]:
    with transaction(session.engine) as connection:
        return list(connection.execute(text("SELECT state, code, message FROM jobs ORDER BY ordinal")))


@pytest.mark.parametrize("what", REFUSED_BY_POSTGRES)
def test_an_outcome_that_postgres_refuses_fails_its_own_job_alone(session: Session, claim: Claim, what: str) -> None:
    others = [Failed(n, "unreadable_image", "as if") for n in range(JOBS) if n != 4]
    page: list[Outcome] = [*others[:4], REFUSED_BY_POSTGRES[what], *others[4:]]
    recorded, going_on = finish(session.engine, claim, page, 60)
    assert going_on
    assert len(recorded) == JOBS
    found = jobs(session)
    assert [job.code for job in found] == ["unreadable_image"] * 4 + [REFUSED] + ["unreadable_image"] * 4
    assert {job.state for job in found} == {"failed"}
    assert "cannot be stored" in found[4].message
    assert miscounted(session) == []


@pytest.mark.parametrize("text_of_a_host", ["503 Serv\0ice", "503 \ud800", "\0"])
def test_a_text_from_outside_is_cleaned_where_an_error_is_made(
    session: Session, claim: Claim, text_of_a_host: str
) -> None:
    message = str(SourceUnavailable(f"the host said {text_of_a_host}"))
    outcomes = [Failed(0, "source_unavailable", message), Failed(1, "source_unavailable", text_of_a_host)]
    recorded, _ = finish(session.engine, claim, outcomes, 60)
    assert recorded == outcomes
    for job in jobs(session)[:2]:
        assert job.code == "source_unavailable"
        assert "\N{REPLACEMENT CHARACTER}" in job.message


def test_what_is_no_fault_of_a_value_blames_no_image(session: Session, claim: Claim) -> None:
    """As when tables are of another release: every image would fail by it."""
    with transaction(session.engine) as connection:
        connection.execute(text("ALTER TABLE renditions RENAME COLUMN quality TO figures"))
    with pytest.raises(ProgrammingError):
        finish(session.engine, claim, [Succeeded(0, [KEY], [MADE])], 60)
    assert {job.state for job in jobs(session)} == {"queued"}


def test_validators_that_cannot_be_stored_are_forgotten(session: Session, claim: Claim) -> None:
    merchant = claim.batch.merchant_id
    with transaction(session.engine) as connection:
        keep_copy(connection, merchant, "https://shop.example/a", SourceCopy('"a\0b"', "yester\ud800day", "sha"))
        assert find_copy(connection, merchant, "https://shop.example/a") == SourceCopy(None, None, "sha")


class Odd:
    """A manifest of three rows, of which the error of one quotes what cannot be stored."""

    name, format, columns, ignored, notes, digest = "odd", "csv", ("sku", "image"), 0, (), "odd"

    def rows(self) -> Any:
        for number in range(3):
            error = InvalidInput("the file says \0 and \ud800", code="bad_source") if number == 1 else None
            image = f"s3://photos/{number}.jpg"
            yield ManifestRow(number + 2, f"N{number}", image, image, f"{number}", None, None, {"sku": "x"}, error)


def test_a_row_whose_message_cannot_be_stored_is_a_bad_row(session: Session) -> None:
    done = submit_batch(session, Order("local", Manifest([Odd()]), (Look((("udnie", 1.0),)),)))
    with transaction(session.engine) as connection:
        batch = batches.get_batch(connection, done.batch.id)
    assert (batch.intake, batch.total) == ("sealed", 3)
    assert [job.code for job in jobs(session)][1] == "bad_source"
