"""The line of progress off a terminal."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from producer.output.progress import progress_line
from shared.look import Look, parse_mix
from shared.queue.batches import Batch


def batch(**figures: Any) -> Batch:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    fields: dict[str, Any] = {
        "id": uuid4(), "merchant_id": 1, "name": "spring", "queue": "bulk", "look": Look(parse_mix("udnie")),
        "presets": ("jpeg",), "model_version_id": 1, "style_rows": {}, "intake": "sealed", "state": "running",
        "paused": False, "notice": None, "input_columns": (),
        "gate": None, "rows_read": 100, "total": 100, "succeeded": 0, "failed": 0,
        "cancelled": 0, "reused": 0, "created_at": start, "finished_at": start + timedelta(seconds=10),
    }  # fmt: skip
    return Batch(**fields | figures)


def test_nothing_is_foretold_before_the_first_image() -> None:
    assert progress_line(batch()) == "0 of 100 images"


def test_rate_failures_and_the_time_left_are_told() -> None:
    line = progress_line(batch(succeeded=15, failed=5))
    assert line == "20 of 100 images, 5 failed, 2.00 images/s, about 40 s to go"


def test_time_left_is_unknown_while_images_still_come_in() -> None:
    assert progress_line(batch(intake="receiving", succeeded=20)) == "20 of the first 100 images, 2.00 images/s"
