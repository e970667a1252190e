"""All that is one merchant's, exported and erased: what goes, what stays, and who may be at work meanwhile."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, LeaseLost
from shared.merchants import audit, merchants
from shared.merchants.backgrounds import BackgroundPicture, put_background
from shared.merchants.presets import add_preset
from shared.models.styles import Style, StyleRow, add_style, add_style_row
from shared.operations import erasure
from shared.operations.belongings import PREFIXES, belongings, count_rows, own_objects
from shared.operations.erasure import erase
from shared.presets import Preset
from shared.queue import batches, chunks
from shared.queue.jobs import Failed
from shared.source_copies import SourceCopy, keep_copy, source_key
from shared.uploads.uploads import NewUpload, add_upload
from shared.webhooks.deliveries import add_test
from shared.webhooks.webhooks import Event, add_webhook
from tests.atelier_command import Command, command_over, printed
from tests.builders import add_catalog, add_finished, add_usage, add_waiting
from tests.waiting import wait_for_blocked_connection

JOBS = 200
SHARED_ROW, OWN_ROW = "styles/shared.safetensors", "styles/own.safetensors"


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "SLICE_ROWS", 2)
    monkeypatch.setattr(erasure, "SLICE_OBJECTS", 7)


@pytest.fixture
def atelier(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    return command_over(session, monkeypatch)


def fill(session: Session, name: str) -> int:
    """Give a merchant something of everything: rows in every table and objects under every prefix."""
    with transaction(session.engine) as connection:
        batch = add_finished(connection, name, JOBS)
        add_catalog(connection, batch)
        merchant = merchants.merchant_id(connection, name)
        connection.execute(
            text("INSERT INTO reviews (batch_id, ordinal, merchant_id) VALUES (:batch, 0, :merchant)"),
            {"batch": batch.id, "merchant": merchant},
        )
        for style, row in (("tahiti", OWN_ROW if name == "shop" else SHARED_ROW), ("moorea", SHARED_ROW)):
            number = add_style(connection, Style(style, style, "", "", ""), merchant=merchant)
            add_style_row(connection, number, "trunk", StyleRow(style, row, row))
        put_background(connection, merchant, BackgroundPicture("paper", "sha", 640, 480))
        add_preset(connection, merchant, Preset("own", ("90x90",)))
        add_upload(connection, merchant, NewUpload("red.jpg", 1, 1))
        webhook, _ = add_webhook(connection, merchant, "https://shop.example/hook", [Event.BATCH_FINISHED])
        add_test(connection, merchant, webhook.id)
        for page in range(5):
            keep_copy(connection, merchant, f"https://shop.example/{page}.jpg", SourceCopy("tag", None, "sha"))
        connection.execute(text("INSERT INTO fair_shares VALUES (:id, 'bulk', 1)"), {"id": merchant})
        add_usage(connection, merchant)
        made = connection.execute(text("SELECT object_key FROM renditions WHERE merchant_id = :id"), {"id": merchant})
        keys = [*made.scalars(), source_key(merchant, "f" * 64)]
    for key in (*keys, OWN_ROW, SHARED_ROW):
        session.store.put(key, key.encode())
    return merchant


def counts(session: Session, merchant: int) -> dict[str, int]:
    with transaction(session.engine) as connection:
        rows = count_rows(connection, merchant)
    return rows | {"objects": sum(1 for _ in own_objects(session.store, merchant))}


def test_a_merchant_goes_with_all_rows_and_objects_and_no_other_loses_any(session: Session, atelier: Command) -> None:
    shop, other = fill(session, "shop"), fill(session, "other")
    before = counts(session, other)
    assert set(counts(session, shop)) == {*belongings(), "objects"} - {"api_keys"}
    done = printed(atelier("merchants", "erase", "shop", "--yes", "--json"))
    assert done["objects"] == JOBS - JOBS // 100 + 2
    assert counts(session, shop) == {"objects": 0}
    assert counts(session, other) == before
    assert [session.store.exists(key) for key in (OWN_ROW, SHARED_ROW)] == [False, True]


def test_the_audit_log_keeps_the_number_and_nothing_else(session: Session, atelier: Command) -> None:
    shop = fill(session, "shop")
    printed(atelier("merchants", "erase", "shop", "--yes", "--json"))
    found = printed(atelier("audit", "--json"))["entries"]
    assert [(one["what"], one["details"]["step"], one["merchant_id"]) for one in found] == [
        ("merchants erase", "done", shop),
        ("merchants erase", "begun", shop),
    ]
    assert {one["who"] for one in found} == {audit.operator()}
    assert "shop" not in str(found)


def test_without_a_yes_it_says_what_there_is_and_erases_nothing(session: Session, atelier: Command) -> None:
    shop = fill(session, "shop")
    before = counts(session, shop)
    refused = atelier("merchants", "erase", "shop")
    assert "--yes" in str(refused.exception)
    assert f"{JOBS} jobs" in refused.stderr
    assert counts(session, shop) == before
    assert "no merchant 'shp'" in str(atelier("merchants", "erase", "shp", "--yes").exception)


def test_running_batches_must_be_cancelled_before(session: Session) -> None:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", JOBS)
    with pytest.raises(Conflict, match="has 1 running batches"):
        erase(session.engine, session.store, batch.merchant_id, lambda _: None)
    with transaction(session.engine) as connection:
        merchants.require_kept(connection, batch.merchant_id)
        chunks.cancel_batch(connection, batch.id)
    erase(session.engine, session.store, batch.merchant_id, lambda _: None)
    assert counts(session, batch.merchant_id) == {"objects": 0}


@pytest.mark.parametrize(
    ("step", "call"),
    [("wait_for_workers", 1), ("remove_batches", 1), ("_delete", 1), ("_delete", 5), ("remove_rows", 1)],
)
def test_interrupted_anywhere_it_goes_on(
    session: Session, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    shop, other = fill(session, "shop"), fill(session, "other")
    before, calls, do = counts(session, other), itertools.count(1), getattr(erasure, step)

    def interrupted(*arguments: object) -> object:
        if next(calls) == call:
            raise KeyboardInterrupt
        return do(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(erasure, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            erase(session.engine, session.store, shop, lambda _: None)
    assert "merchants" in counts(session, shop)
    erase(session.engine, session.store, shop, lambda _: None)
    assert counts(session, shop) == {"objects": 0}
    assert counts(session, other) == before


def test_nothing_new_comes_in_once_it_has_begun(session: Session, atelier: Command, tmp_path: Path) -> None:
    shop = fill(session, "shop")
    erasure.begin(session.engine, shop)
    (tmp_path / "mug.png").write_bytes(b"x")
    for command in (("submit", tmp_path / "mug.png", "-s", "udnie"), ("status",), ("merchants", "allow", "s3://b/")):
        arguments = (*command[:2], "shop", *command[2:]) if command[0] == "merchants" else (*command, "-m", "shop")
        refused = atelier(*arguments)
        assert isinstance(refused.exception, Conflict), refused.output
        assert "is being erased" in str(refused.exception)


def test_a_submission_that_was_quicker_by_a_moment_is_seen(session: Session) -> None:
    """It has its batch, but has not committed, when erasure begins."""
    fill(session, "shop")
    result: list[BaseException] = []

    def begin(merchant: int) -> None:
        try:
            erasure.begin(session.engine, merchant)
        except Conflict as error:
            result.append(error)

    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 1)
        erasing = threading.Thread(target=begin, args=[batch.merchant_id])
        erasing.start()
        wait_for_blocked_connection(session)
    erasing.join()
    assert "has 1 running batches" in str(result[0])


@pytest.fixture
def claim(session: Session) -> chunks.Claim:
    """A chunk in the hands of a worker, of a batch that was cancelled since."""
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 1)
        chunk = connection.execute(text("SELECT id FROM chunks")).scalar_one()
        found = chunks.claim(connection, chunk, uuid4(), 60)
        assert found
        chunks.cancel_batch(connection, batch.id)
    return found


def test_a_worker_in_the_middle_of_a_chunk_is_waited_for(session: Session, claim: chunks.Claim) -> None:
    told: list[str] = []
    waits = threading.Event()

    def tell(sentence: str) -> None:
        told.append(sentence)
        waits.set()

    erasing = threading.Thread(target=erase, args=[session.engine, session.store, claim.batch.merchant_id, tell])
    erasing.start()
    waits.wait()
    assert told == ["waiting for workers that still process 1 of the merchant's chunks"]
    key = PREFIXES[0].format(claim.batch.merchant_id) + "late.jpg"
    session.store.put(key, b"put while it was waited for")
    with transaction(session.engine) as connection:
        assert not chunks.finish(connection, claim, [Failed(0, "any", "")], 60)
        chunks.release(connection, claim)
    erasing.join()
    assert counts(session, claim.batch.merchant_id) == {"objects": 0}


def test_a_worker_that_has_lost_its_lease_can_write_nothing_any_more(session: Session, claim: chunks.Claim) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE chunks SET lease_expires_at = clock_timestamp()"))
    erase(session.engine, session.store, claim.batch.merchant_id, lambda _: None)
    with transaction(session.engine) as connection, pytest.raises(LeaseLost):
        chunks.finish(connection, claim, [Failed(0, "any", "")], 60)
    assert counts(session, claim.batch.merchant_id) == {"objects": 0}


def test_an_export_holds_every_row_and_object_of_the_merchant_and_of_nobody_else(
    session: Session, atelier: Command, tmp_path: Path
) -> None:
    shop, other = fill(session, "shop"), fill(session, "other")
    out = tmp_path / "out"
    done = printed(atelier("merchants", "export", "shop", "--out", out, "--json"))
    tables = {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in (out / "tables").iterdir()
    }
    expected = counts(session, shop)
    objects = expected.pop("objects")
    del expected["webhook_secrets"]  # are not given out
    assert {table: len(rows) for table, rows in tables.items()} == done["rows"] == expected
    assert done["objects"] == objects + 2  # and those of two styles
    assert {row["merchant_id"] for rows in tables.values() for row in rows if "merchant_id" in row} == {shop}
    written = {str(path.relative_to(out / "objects")): path.read_bytes() for path in (out / "objects").rglob("*.*")}
    assert all(data == key.encode() for key, data in written.items())
    assert not any(key.startswith(prefix.format(other)) for key in written for prefix in PREFIXES)
    with transaction(session.engine) as connection:
        (batch,) = batches.list_batches(connection, shop, 5)
    assert {row["batch_id"] for row in tables["jobs"]} == {str(batch.id)}


def test_an_export_goes_on_where_it_was_interrupted(session: Session, atelier: Command, tmp_path: Path) -> None:
    fill(session, "shop")
    out = tmp_path / "out"
    first = printed(atelier("merchants", "export", "shop", "--out", out, "--json"))
    one, other = sorted((out / "objects").rglob("*.jpg"))[:2]
    one.unlink()
    other.write_bytes(b"cut")
    kept = sorted((out / "objects").rglob("*.jpg"))[5]
    before = kept.stat().st_mtime_ns
    assert printed(atelier("merchants", "export", "shop", "--out", out, "--json")) == first
    assert other.read_bytes() == str(other.relative_to(out / "objects")).encode()
    assert one.exists()
    assert kept.stat().st_mtime_ns == before
