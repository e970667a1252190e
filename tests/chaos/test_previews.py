"""A preview on a worker that has its hands full."""

from __future__ import annotations

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from tests.chaos.crew import LEASED, LOOK, Crew, photos
from tests.invariants import assert_nothing_lost


def test_a_preview_waits_for_no_bulk_work_and_loses_none(crew: Crew) -> None:
    """Every slot for chunks has an image in hand that ends only when the preview is done."""
    gate = crew.folder / "gate"
    crew.start("hold", gate)
    bulk = crew.submit(72, marked=range(40, 72))
    slots = crew.session.settings.slots
    crew.wait_until(lambda: crew.batch(bulk.id).done == 40 and crew.scalar(LEASED) == slots, "all slots in use")
    order = Order("shop", open_manifest([str(photos(crew.folder / "proof", 1, side=97))]), (LOOK,), queue="preview")
    preview = submit_batch(crew.session, order).batch
    crew.done(preview.id, 1)
    assert crew.batch(bulk.id).done == 40
    gate.touch()
    crew.finished(bulk.id)
    assert crew.batch(preview.id).succeeded == 1
    assert crew.batch(bulk.id).succeeded == 72
    assert_nothing_lost(crew.session, bulk.id)
