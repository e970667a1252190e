"""Going back costs as much for each image whatever their number, also just after a night has been published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from shared.catalog.as_of import revert_as_of
from shared.catalog.publishing import Which, publish, revert
from shared.context import Session
from shared.database import transaction
from shared.queue.batches import Batch
from tests.builders import add_finished, add_large_night
from tests.query_plans import rows_touched

IMAGES = 600

BACK: dict[str, Callable[[Connection, Batch], object]] = {
    "of a night": lambda connection, batch: revert(
        connection, batch.merchant_id, Which(batch_id=batch.id), "me@here"
    ),
    "to an earlier time": lambda connection, batch: revert_as_of(
        connection, batch.merchant_id, datetime.now(UTC) - timedelta(days=1), "me@here"
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", BACK)
def test_a_revert_reads_each_image_a_few_times_at_most(session: Session, how: str) -> None:
    """The publications are newer than what the planner knows: it takes them for few, and must not scan for each."""
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", IMAGES)
        add_large_night(connection, batch, 2 * IMAGES)
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        shown = publish(connection, batch.merchant_id, batch.id, "me@here")
        assert shown == IMAGES - IMAGES // 100
        touched = rows_touched(connection, lambda: BACK[how](connection, batch))
    assert touched["catalog_images"] < 10 * IMAGES, touched
    assert touched["publications"] < 10 * IMAGES, touched
