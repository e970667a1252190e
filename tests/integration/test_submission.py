"""A manifest of any length: what a page costs, when work begins, what is held, what is read of a million jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from queue import Empty
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from producer import jobs_from_rows as pages
from producer.jobs_from_rows import PAGE_JOBS
from producer.manifest import Manifest, ManifestRow
from producer.submit import Order, Submission, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import InvalidInput, ManifestError
from shared.look import Look
from shared.queue import batches, fleet, jobs
from shared.queue.batches import Batch
from tests.query_plans import rows_touched, statements
from tests.waiting import LIMIT_SECONDS

LOOK = Look((("starry-night", 1.0),))


class Feed:
    """A manifest of objects in a bucket that is written while it is read; ``before`` is called before each row."""

    name = "feed"
    format = "csv"
    columns = ("sku", "image")
    ignored = 0
    notes = ()

    def __init__(self, rows: int, before: Callable[[int], None] = lambda _: None) -> None:
        self.digest = f"{rows} rows"
        self._rows = rows
        self._before = before

    def rows(self) -> Iterator[ManifestRow]:
        for number in range(self._rows):
            self._before(number)
            image = f"s3://photos/{number}.jpg"
            error = InvalidInput("no image there", code="missing_image") if number % 1000 == 2 else None
            columns = {"sku": f"N{number}", "image": image}
            yield ManifestRow(number + 2, f"N{number}", image, image, f"{number}", None, None, columns, error)


def submit(
    session: Session, feed: Feed, accepted: Callable[[Batch], None] = lambda _: None, looks: tuple[Look, ...] = (LOOK,)
) -> Submission:
    return submit_batch(session, Order("local", Manifest([feed]), looks), accepted=accepted)


def test_a_page_is_as_many_statements_whatever_its_rows(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_SECONDS", LIMIT_SECONDS)
    sent = []
    for rows in (3, 3000):
        with statements(session.engine) as found:
            submit(session, Feed(rows))
        sent.append([" ".join(statement.split()[:3]) for statement, _ in found])
    assert sent[0] == sent[1]
    assert len(sent[0]) < 36
    assert [sent[0].count(f"INSERT INTO {table}") for table in ("jobs", "chunks")] == [1, 1]


def test_work_begins_and_little_is_held_while_the_manifest_is_still_being_written(session: Session) -> None:
    with transaction(session.engine) as connection:
        fleet.register(connection, uuid4(), "cpu", 3)
    durable = 0
    ahead: list[int] = []
    messages: list[int] = []

    def write(number: int) -> None:
        ahead.append(number - durable)
        if number == PAGE_JOBS + 1:
            messages.append(wait_for_message(session))

    def accepted(batch: Batch) -> None:
        nonlocal durable
        durable = batch.rows_read

    batch = submit(session, Feed(4 * PAGE_JOBS + 1, write), accepted).batch
    assert len(messages) == 1
    assert batch.total == durable == 4 * PAGE_JOBS + 1
    assert max(ahead) <= 2 * PAGE_JOBS


def wait_for_message(session: Session) -> int:
    """Take the first chunk's id out of Redis as soon as it is there."""
    with session.broker.app.connection_for_read() as connection, connection.SimpleQueue("bulk") as waiting:
        try:
            message = waiting.get(timeout=LIMIT_SECONDS)
        except Empty:
            pytest.fail("no chunk was dispatched before the manifest ended")
        message.ack()
        return int(message.payload[0][0])


def test_pages_are_bounded_in_jobs_however_many_looks_a_row_has(session: Session) -> None:
    looks = tuple(Look((("starry-night", n / 10), ("udnie", 1 - n / 10))) for n in range(1, 10))
    sizes = [0]
    submit(session, Feed(1300), lambda batch: sizes.append(batch.total), looks)
    assert sizes[-1] == 1300 * 9
    assert max(new - old for old, new in pairwise(sizes)) < PAGE_JOBS + len(looks)


def test_an_interrupted_submission_goes_on_at_its_last_row(session: Session) -> None:
    def unplug(number: int) -> None:
        if number == PAGE_JOBS + 5000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit(session, Feed(2 * PAGE_JOBS, unplug))
    again = submit(session, Feed(2 * PAGE_JOBS))
    assert again.resumed
    assert (again.batch.total, again.batch.failed) == (2 * PAGE_JOBS, 2 * PAGE_JOBS // 1000)
    with transaction(session.engine) as connection:
        wrong = connection.execute(
            text("SELECT count(*) FROM jobs WHERE line <> ordinal + 2 OR (state = 'failed') <> (ordinal % 1000 = 2)")
        ).scalar_one()
        bad = connection.execute(text("SELECT line, code, source FROM jobs WHERE ordinal = 2")).one()
    assert wrong == 0
    assert tuple(bad) == (4, "missing_image", "")


def test_a_manifest_that_breaks_off_leaves_the_rows_before_it_running(session: Session) -> None:
    def tear(number: int) -> None:
        if number == 1500:
            raise ManifestError("feed, line 1502: torn", code="torn")

    submission = submit(session, Feed(2000, tear))
    assert (submission.batch.total, submission.batch.intake) == (1500, "sealed")
    assert "line 1502" in submission.warnings[0]


def test_no_job_belongs_to_another_merchant_than_its_batch(session: Session) -> None:
    submit(session, Feed(1))
    with transaction(session.engine) as connection:
        connection.execute(text("INSERT INTO merchants (name) VALUES ('other')"))
        with pytest.raises(IntegrityError, match="fk_jobs_batch"), connection.begin_nested():
            connection.execute(text("UPDATE jobs SET merchant_id = (SELECT max(id) FROM merchants)"))


def test_a_page_of_results_and_a_status_read_what_they_show_and_no_more(session: Session) -> None:
    batch = submit(session, Feed(10_000)).batch
    with transaction(session.engine) as connection:
        render_all(connection, batch)
        connection.execute(
            text("""
            INSERT INTO batches (merchant_id, name, queue, look, presets, model_version_id, style_rows, fingerprint,
                                 input_columns)
            SELECT merchant_id, name, queue, look, presets, model_version_id, style_rows, fingerprint, input_columns
            FROM batches CROSS JOIN generate_series(1, 1000)
            """)
        )
        for statistics in ("none", "ANALYZE"):
            if statistics == "ANALYZE":
                connection.execute(text("ANALYZE"))
            touched = rows_touched(connection, lambda: jobs.results_between(connection, batch.id, 5000, 5099))
            assert touched == {"jobs": 100, "job_renditions": 100, "renditions": 100}
            for wanted in (str(batch.id), str(batch.id)[:-4]):
                touched = rows_touched(connection, partial(batches.find_batch, connection, batch.merchant_id, wanted))
                assert touched == {"batches": 1}


def render_all(connection: Connection, batch: Batch) -> None:
    """Give every job a rendition."""
    connection.execute(
        text("""
        WITH made AS (
            INSERT INTO renditions (merchant_id, source_sha256, look_sha256, trunk_sha256, preset, pipeline_version,
                                    object_key, sha256, bytes, width, height)
            SELECT merchant_id, ordinal::text, '', '', 'jpeg', 1, '', '', 1, 1, 1 FROM jobs WHERE batch_id = :id
            RETURNING id, source_sha256)
        INSERT INTO job_renditions (batch_id, ordinal, preset, rendition_id)
        SELECT :id, source_sha256::int, 'jpeg', id FROM made
        """),
        {"id": batch.id},
    )


def test_results_come_whole_and_in_order_over_several_pages(session: Session) -> None:
    batch = submit(session, Feed(2 * jobs.RESULTS_PAGE + 1)).batch
    with transaction(session.engine) as connection:
        render_all(connection, batch)
        found = list(jobs.results(connection, batch.id, batch.total))
    assert [one.ordinal for one in found] == list(range(batch.total))
    assert {one.preset for one in found} == {"jpeg"}


def test_a_batch_is_found_by_the_beginning_of_its_id(session: Session) -> None:
    batch = submit(session, Feed(1)).batch
    with transaction(session.engine) as connection:
        for wanted in (str(batch.id), str(batch.id).upper(), str(batch.id)[:1], batch.id.hex[:20]):
            assert batches.find_batch(connection, batch.merchant_id, wanted).id == batch.id
