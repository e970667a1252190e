"""A batch's failures, and the list of batches, a page at a time, as a merchant reads them."""

import json

import pytest

from shared.context import Session
from shared.database import transaction
from shared.merchants.merchants import LOCAL_MERCHANT
from tests.atelier_command import command_over, printed
from tests.builders import FAILED_IN, add_finished, add_waiting


def test_failures_are_listed_a_page_at_a_time_until_there_is_no_more(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, LOCAL_MERCHANT, 7 * FAILED_IN)
    atelier = command_over(session, monkeypatch)
    pages: list[list[int]] = []
    after: int | None = 0
    while after is not None:
        page = printed(atelier("failures", batch.id, "--limit", 3, "--after", after, "--json"))
        assert page["failed"] == 7
        pages.append([one["ordinal"] for one in page["failures"]])
        after = page["after"]
    assert [len(page) for page in pages] == [3, 3, 1]
    ordinals = [ordinal for page in pages for ordinal in page]
    assert ordinals == sorted(set(ordinals))
    shown = atelier("failures", batch.id, "--limit", 3)
    assert shown.stdout.count("unreadable_image") == 3
    assert f"more: atelier failures {batch.id} --after {pages[0][-1] + 1}" in shown.stderr


def test_batches_are_listed_from_the_newest_on_a_page_at_a_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(session.engine) as connection:
        ids = [str(add_waiting(connection, LOCAL_MERCHANT, 1).id) for _ in range(23)]
    atelier = command_over(session, monkeypatch)
    first = json.loads(atelier("status", "--json").stdout)
    rest = printed(atelier("status", "--before", first[-1]["batch"], "--json"))
    assert [one["batch"] for one in first + rest] == ids[::-1]
    assert f"--before {first[-1]['batch']}" in atelier("status").stderr
