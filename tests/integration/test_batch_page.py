"""The page of a batch without a script: links and forms do everything."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.queue.batches import Batch, get_batch
from tests.browser import OWN, Browser, browser_of
from tests.builders import FAILED_IN, add_finished, add_proof, add_waiting
from tests.html_page import HtmlPage
from tests.stored_pictures import store_pictures


@pytest.fixture
def browser(session: Session) -> Browser:
    return browser_of(session, "shop")


def finished(session: Session, jobs: int) -> Batch:
    with transaction(session.engine) as connection:
        return add_finished(connection, "shop", jobs)


def run(session: Session, statement: str, **values: Any) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text(statement), values)


def now(session: Session, batch: Batch) -> Batch:
    with transaction(session.engine) as connection:
        return get_batch(connection, batch.id)


def links(page: HtmlPage) -> list[str]:
    return [str(attrs["href"]) for tag, attrs in page.tags if tag == "a"]


def form_token_of(page: HtmlPage) -> str:
    return next(form.values["csrf"] for form in page.forms if "csrf" in form.values)


def test_pages_lead_through_a_batch_and_filters_stand_in_the_address(session: Session, browser: Browser) -> None:
    batch = finished(session, 2 * FAILED_IN)
    at = f"/batches/{batch.id}"
    first = browser.read(at)
    assert "200 of 200" in first.text
    assert [one for one in links(first) if "/pictures/" in one] == [f"{at}/pictures/{n}" for n in range(24)]
    assert "?from=25#pictures" in links(first)
    failed = browser.read(f"{at}?state=failed&code=unreadable_image&style=&sku=")
    assert [one for one in links(failed) if "/pictures/" in one] == [f"{at}/pictures/99", f"{at}/pictures/199"]
    everything = browser.read(f"{at}?state=&style=&code=&sku=")  # as the form sends it
    assert [one for one in links(everything) if "/pictures/" in one] == [f"{at}/pictures/{n}" for n in range(24)]
    assert "No picture fits" in browser.read(f"{at}?sku=nothing").text
    assert "No picture fits" in browser.read(f"{at}?from=9999").text
    for wrong in ("from=0", "state=other", "sku=%00"):
        assert "<main" in browser.client.get(f"{at}?{wrong}").text


def test_a_name_with_markup_is_text(session: Session, browser: Browser) -> None:
    batch = finished(session, 1)
    markup = "<script>alert(1)</script>"
    run(session, "UPDATE jobs SET sku = :sku, message = :sku", sku=markup)
    run(session, "UPDATE batches SET name = :name", name=markup)
    for path in ("", "/pictures/0", f"?sku={markup}"):
        page = browser.read(f"/batches/{batch.id}{path}")
        assert markup in page.text
        assert all(attrs.get("src") for tag, attrs in page.tags if tag == "script")


def test_a_batch_is_paused_resumed_and_cancelled(session: Session, browser: Browser) -> None:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 3)
    at = f"/batches/{batch.id}"
    answer = browser.send(at, f"{at}/pause")
    assert (answer.status_code, answer.headers["location"]) == (303, at)
    assert now(session, batch).paused
    browser.send(at, f"{at}/resume")
    assert not now(session, batch).paused
    browser.send(at, f"{at}/cancel")
    assert now(session, batch).state == "cancelled"
    refused = browser.client.post(f"{at}/cancel", headers=OWN)  # without the token of a form
    assert refused.status_code == 403


def test_the_figures_are_fetched_alone_and_the_page_again_when_its_buttons_change(
    session: Session, browser: Browser
) -> None:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 3)
    (at,) = (str(attrs["hx-get"]) for _, attrs in browser.read(f"/batches/{batch.id}").tags if "hx-get" in attrs)
    answer = browser.client.get(at)
    assert "0 of 3" in HtmlPage(answer.text).text
    assert "hx-refresh" not in answer.headers
    run(session, "UPDATE batches SET paused = true")
    assert browser.client.get(at).headers["hx-refresh"] == "true"


def test_the_time_to_go_is_told_in_steps(session: Session, browser: Browser) -> None:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 100)
    run(session, "UPDATE batches SET succeeded = 50, created_at = now() - interval '10 minutes'")
    assert "50 of 100 0.08 pictures/s about 11 min to go" in browser.read(f"/batches/{batch.id}").text
    run(session, "UPDATE batches SET paused = true")
    assert "to go" not in browser.read(f"/batches/{batch.id}/progress").text


def test_failures_are_tried_again_by_reason_or_one_by_one(session: Session, browser: Browser) -> None:
    batch = finished(session, 2 * FAILED_IN)
    at = f"/batches/{batch.id}"
    token = form_token_of(browser.read(f"{at}?state=failed"))
    back = f"{at}?state=failed"
    answer = browser.client.post(
        f"{at}/pictures/retry", data={"csrf": token, "ordinals": ["99"], "back": back}, headers=OWN,
        follow_redirects=False,
    )  # fmt: skip
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert now(session, batch).failed == 1
    wrong = browser.client.post(f"{at}/pictures/retry", data={"csrf": token, "ordinals": ["-1"]}, headers=OWN)
    assert wrong.status_code == 422
    browser.client.post(f"{at}/pictures/retry", data={"csrf": token, "code": "unreadable_image"}, headers=OWN)
    assert now(session, batch).failed == 0


def test_a_held_picture_is_approved_or_rejected(session: Session, browser: Browser) -> None:
    batch = finished(session, 3)
    run(session, "INSERT INTO reviews (batch_id, ordinal, merchant_id) SELECT batch_id, ordinal, merchant_id FROM jobs")
    at = f"/batches/{batch.id}"
    answer = browser.send(f"{at}?held=true", f"{at}/pictures/0/approve")
    assert answer.headers["location"] == f"{at}?held=true#p0"
    browser.send(f"{at}/pictures/1", f"{at}/pictures/1/reject")
    page = browser.read(f"{at}?held=true")
    assert [one for one in links(page) if "/pictures/" in one] == [f"{at}/pictures/2"]
    again = browser.client.post(f"{at}/pictures/1/approve", data={"csrf": form_token_of(page)}, headers=OWN)
    assert again.status_code == 409


def test_a_sample_is_approved_on_the_page_of_its_batch(session: Session, browser: Browser) -> None:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 3)
        add_proof(connection, batch.id)
    at = f"/batches/{batch.id}"
    assert "The batch waits, since it is large." in browser.read(at).text
    assert browser.send(at, f"{at}/sample/approve").status_code == 303
    assert "needs your approval" not in browser.read(at).text


def test_files_and_pictures_come_with_the_cookie_and_to_nobody_else(session: Session, browser: Browser) -> None:
    batch = finished(session, FAILED_IN)
    store_pictures(session, batch)
    at = f"/batches/{batch.id}"
    paths = [
        f"{at}/archive.zip",
        f"{at}/results.csv",
        f"{at}/errors.csv",
        f"{at}/pictures/0/thumbnail",
        f"{at}/pictures/0/thumbnail?preset=jpeg&size=large",
        f"{at}/pictures/0/file?preset=jpeg",
    ]
    answers = [browser.client.get(path) for path in paths]
    assert [one.status_code for one in answers] == [200] * len(paths)
    assert zipfile.ZipFile(io.BytesIO(answers[0].content)).testzip() is None
    assert answers[-1].headers["content-disposition"].startswith("attachment")
    other = browser_of(session, "other")
    for path in (at, f"{at}/progress", f"{at}/pictures/0", *paths):
        assert other.client.get(path).status_code == 404
