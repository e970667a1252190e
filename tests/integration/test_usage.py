"""Usage of merchants by month, and quotas: what counts, once, and what is refused before it is accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from producer.commands.usage import usage_row
from producer.dry_run import rehearse
from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import UsageError
from shared.look import Look
from shared.merchants import quotas, usage
from shared.merchants.actors import operator
from shared.merchants.merchants import merchant_id
from shared.merchants.quotas import Quota, QuotaExceeded
from shared.merchants.usage import Usage
from shared.queue import batches, chunks
from shared.queue.actions import cancel_batch
from shared.queue.batches import Batch
from shared.queue.chunks import Claim
from shared.queue.jobs import Failed
from shared.queue.outcomes import Outcome, Succeeded
from shared.queue.renditions import NewRendition, RenditionKey
from shared.queue.retry import retry_batch
from tests.api_clients import client_of
from tests.atelier_command import Command, command_over, printed
from tests.builders import add_usage, add_waiting
from tests.query_plans import rows_touched

LOOK = Look((("starry-night", 1.0),))
KEYS = [RenditionKey(f"source {n}", "look", "trunk", "jpeg") for n in range(4)]


@pytest.fixture
def atelier(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    return command_over(session, monkeypatch)


def made(key: RenditionKey, size: int = 100) -> NewRendition:
    return NewRendition(key, f"renditions/{key.source_sha256} {key.preset} {uuid4()}", "sha", size, 1, 1)


def styled(ordinal: int, *keys: RenditionKey) -> Succeeded:
    return Succeeded(ordinal, keys, [made(key) for key in keys])


def claims_of(session: Session, batch: Batch) -> Iterator[Claim]:
    with transaction(session.engine) as connection:
        ids = connection.execute(
            text("SELECT id FROM chunks WHERE batch_id = :id ORDER BY id"), {"id": batch.id}
        ).scalars()
        for chunk in ids.all():
            claim = chunks.claim(connection, chunk, uuid4(), 60)
            assert claim
            yield claim


def end(session: Session, batch: Batch, outcomes: Sequence[Outcome]) -> None:
    """Have a worker end jobs of a batch of one chunk."""
    for claim in list(claims_of(session, batch)):
        with transaction(session.engine) as connection:
            assert chunks.finish(connection, claim, outcomes, 60)
            chunks.release(connection, claim)


def waiting(session: Session, jobs: int, merchant: str = "shop") -> Batch:
    with transaction(session.engine) as connection:
        return add_waiting(connection, merchant, jobs)


def months(session: Session, merchant: str = "shop") -> Sequence[Usage]:
    with transaction(session.engine) as connection:
        return usage.list_usage(connection, merchant_id(connection, merchant))


def counted(session: Session, merchant: str = "shop") -> tuple[int, int, int, int]:
    (month,) = months(session, merchant)
    return month.styled, month.reused, month.failed, month.bytes_stored


def limit(session: Session, soft: int | None = None, hard: int | None = None, merchant: str = "shop") -> None:
    with transaction(session.engine) as connection:
        quotas.set_limits(connection, merchant_id(connection, merchant), soft, hard)


def quota_of(session: Session, merchant: str = "shop") -> Quota:
    with transaction(session.engine) as connection:
        return quotas.find_quota(connection, merchant_id(connection, merchant))


def order_of(folder: Path, images: int, merchant: str = "shop") -> Order:
    """An order of so many images on the web, and of a row without any."""
    rows = "".join(f"{n},https://shop.example/{folder.name}/{n}.jpg\n" for n in range(images))
    folder.mkdir(exist_ok=True)
    (folder / "feed.csv").write_text(f"sku,image\n{rows}x,gone.jpg\n")
    return Order(merchant, open_manifest([str(folder / "feed.csv")]), (LOOK,))


def test_an_image_counts_once_where_a_rendition_of_it_is_new(session: Session) -> None:
    wide = replace(KEYS[0], preset="webp")
    batch = waiting(session, 5)
    end(
        session,
        batch,
        [
            styled(0, KEYS[0], wide),  # two files are one image
            styled(1, KEYS[0], wide),  # the same photo in the same look again
            styled(2, KEYS[1]),
            Succeeded(3, [KEYS[1]], []),
            Failed(4, "unreadable_image", "no image"),
        ],
    )
    assert counted(session) == (2, 2, 1, 300)
    again = waiting(session, 1)
    end(session, again, [styled(0, KEYS[1])])  # made at the same time by two workers
    assert counted(session) == (2, 3, 1, 300)


def test_a_page_of_outcomes_that_is_recorded_again_counts_once(session: Session) -> None:
    batch = waiting(session, 2)
    (claim,) = claims_of(session, batch)
    outcomes: list[Outcome] = [styled(0, KEYS[0]), Failed(1, "unreadable_image", "no image")]
    for _ in range(2):  # the answer to the first COMMIT was lost
        with transaction(session.engine) as connection:
            assert chunks.finish(connection, claim, outcomes, 60)
    assert counted(session) == (1, 0, 1, 100)


def test_a_retried_image_is_styled_once_and_what_failed_costs_nothing(session: Session) -> None:
    batch = waiting(session, 1)
    end(session, batch, [Failed(0, "unreadable_image", "no image", retryable=True)])
    assert retry_batch(session.engine, batch) == 1
    end(session, batch, [styled(0, KEYS[0])])
    assert counted(session) == (1, 0, 1, 100)
    (month,) = months(session)
    priced = session.settings.model_copy(update={"image_price": 0.05, "gpu_hour_price": 0.0})
    assert usage_row(month, priced)["money"] == "0.05"
    assert usage_row(month, session.settings)["money"] is None


def test_seconds_of_a_slot_count_and_a_crash_counts_a_failure(session: Session) -> None:
    batch = waiting(session, 1)
    with transaction(session.engine) as connection:
        connection.execute(text("INSERT INTO fair_shares VALUES (:id, 'bulk', 1)"), {"id": batch.merchant_id})
    for _ in range(chunks.DEATHS_TO_BLAME):
        (claim,) = claims_of(session, batch)
        with transaction(session.engine) as connection:
            chunks.take_in_hand(connection, claim, 0, 60)
            connection.execute(
                text("""
                UPDATE chunks SET claimed_at = clock_timestamp() - interval '30 seconds',
                    lease_expires_at = clock_timestamp() - interval '1 second'
                """)
            )
            assert chunks.expire_leases(connection) == 1
    (month,) = months(session)
    assert (month.styled, month.failed) == (0, 1)
    assert month.seconds == pytest.approx(30 * chunks.DEATHS_TO_BLAME, abs=30)


def test_two_batches_of_a_merchant_end_at_the_same_time(session: Session) -> None:
    made_by = {batch.id: (batch, n) for n, batch in enumerate([waiting(session, 1) for _ in range(4)])}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: end(session, one[0], [styled(0, KEYS[one[1]])]), made_by.values()))
    assert counted(session) == (4, 0, 0, 400)


def test_invalid_rows_count_as_failed_and_other_merchants_see_none_of_it(session: Session, tmp_path: Path) -> None:
    submit_batch(session, order_of(tmp_path, 2))
    assert counted(session) == (0, 0, 1, 0)
    with client_of(session, "other") as other:
        assert other.get("/v1/usage").json()["months"] == []


def test_a_batch_beyond_the_hard_limit_is_refused_and_nothing_of_it_is_accepted(
    session: Session, tmp_path: Path
) -> None:
    limit(session, hard=4)
    with pytest.raises(QuotaExceeded, match="1 more than the limit of 4"):
        submit_batch(session, order_of(tmp_path / "large", 5))
    with transaction(session.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM batches")).scalar_one() == 0
    done = submit_batch(session, order_of(tmp_path / "right", 4))
    assert (done.batch.total, done.batch.failed) == (5, 1)
    assert submit_batch(session, order_of(tmp_path / "right", 4)).resumed  # is not counted a second time
    assert quota_of(session).left == 0
    cancel_batch(session.engine, operator("shop"), str(done.batch.id))
    assert quota_of(session).left == 4


def test_of_two_submissions_at_the_limit_one_is_refused(session: Session, tmp_path: Path) -> None:
    limit(session, hard=5)
    orders = [order_of(tmp_path / f"{n}", 3) for n in range(4)]

    def submit(order: Order) -> str:
        try:
            return submit_batch(session, order).batch.state
        except QuotaExceeded as error:
            return error.code

    with ThreadPoolExecutor() as pool:
        found = sorted(pool.map(submit, orders))
    assert found == ["quota_exceeded"] * 3 + ["running"]


def test_what_is_styled_or_turns_out_to_be_reused_changes_what_is_left(session: Session) -> None:
    limit(session, hard=10)
    batch = waiting(session, 3)
    assert quota_of(session).left == 7
    end(session, batch, [styled(0, KEYS[0]), styled(1, KEYS[0]), Failed(2, "unreadable_image", "no image")])
    found = quota_of(session)
    assert (found.styled, found.pending, found.left) == (1, 0, 9)
    limit(session, hard=1)
    with pytest.raises(QuotaExceeded):
        retry_batch(session.engine, batch)
    with transaction(session.engine) as connection:
        assert batches.get_batch(connection, batch.id).failed == 1


def test_the_soft_limit_only_warns(session: Session, tmp_path: Path) -> None:
    limit(session, soft=2)
    waiting(session, 3)
    order = order_of(tmp_path, 2)
    assert any("soft limit of 2" in warning for warning in rehearse(session, order).warnings)
    assert any("soft limit of 2" in warning for warning in submit_batch(session, order).warnings)


def test_a_dry_run_says_what_is_left_and_the_api_refuses_with_a_code(session: Session, tmp_path: Path) -> None:
    limit(session, hard=1)
    found = rehearse(session, order_of(tmp_path, 2))
    assert (found.left, found.warnings) == (
        1,
        ["this would be refused: 2 images, and the quota of this month has 1 left"],
    )
    with client_of(session, "shop") as shop:
        images = [{"sku": str(n), "image": f"https://shop.example/{n}.jpg"} for n in range(2)]
        answer = shop.post("/v1/batches", json={"styles": ["udnie"], "images": images})
        assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")
        assert shop.get("/v1/usage").json()["quota"]["left"] == 1


def test_a_dry_run_ends_as_the_submission_would(session: Session, atelier: Command, tmp_path: Path) -> None:
    order_of(tmp_path, 3)
    arguments = ("submit", tmp_path / "feed.csv", "--merchant", "shop", "--style", "udnie", "--dry-run")
    limit(session, hard=2)
    assert atelier(*arguments).exit_code == 2
    limit(session, hard=3)
    assert atelier(*arguments).exit_code == 4  # a row is bad


def test_the_commands_show_months_and_set_limits(session: Session, atelier: Command) -> None:
    with transaction(session.engine) as connection:
        for name in ("shop", "other"):
            add_usage(connection, merchant_id(connection, name))
    (month,) = printed(atelier("usage", "--merchant", "shop", "--json"))
    assert (month["merchant"], month["month"], month["styled"], month["seconds"]) == ("shop", "2026-10", 1234, 4321.5)
    assert "2026-10  other  1234 styled" in atelier("usage", "--month", "2026-10").stdout
    assert printed(atelier("usage", "--month", "2026-09", "--json")) == []
    quota = printed(atelier("merchants", "quota", "shop", "--soft", 10, "--hard", 20, "--json"))
    assert (quota["soft_limit"], quota["hard_limit"], quota["left"]) == (10, 20, 20)
    assert printed(atelier("merchants", "quota", "shop", "--soft", "none", "--json"))["soft_limit"] is None
    for wrong in (["--soft", "30"], ["--hard", "-1"], ["--hard", "many"], ["--hard", 2**31]):
        refused = atelier("merchants", "quota", "shop", *wrong)
        assert isinstance(refused.exception, UsageError)
        assert refused.exception.code == "bad_limit"
    assert printed(atelier("merchants", "quota", "shop", "--json"))["hard_limit"] == 20


@pytest.mark.parametrize("wrong", ["2026", "2026-13", "26-1", "2026-1-1", "zzzz-zz", "2026-W1"])
def test_a_month_that_is_none_is_refused(session: Session, wrong: str) -> None:
    with client_of(session, "shop") as shop:
        answer = shop.get("/v1/usage", params={"month": wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_month")


def test_reading_usage_and_quota_touches_no_ended_batch(session: Session) -> None:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 1)
        connection.execute(
            text("""
            INSERT INTO batches (merchant_id, name, queue, look, presets, model_version_id, style_rows, fingerprint,
                                 input_columns, intake, state, total, succeeded, finished_at)
            SELECT merchant_id, 'old', queue, look, presets, model_version_id, style_rows, 'old ' || n, input_columns,
                   'sealed', 'finished', 1, 1, now()
            FROM batches, generate_series(1, 3000) n WHERE id = :id
            """),
            {"id": batch.id},
        )
        connection.execute(text("ANALYZE batches"))
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        touched = rows_touched(connection, lambda: quotas.find_quota(connection, batch.merchant_id))
    assert max(touched.values(), default=0) < 50


def test_months_are_those_of_utc() -> None:
    assert usage.parse_month("2026-11") == date(2026, 11, 1)
