"""A preview on a worker that has its hands full."""

from __future__ import annotations

from crew import LOOK, Crew, photos
from recount import assert_nothing_lost

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch


def test_a_preview_waits_for_no_bulk_work_and_loses_none(crew: Crew) -> None:
    crew.start()
    bulk = crew.submit(200)
    crew.done(bulk.id, 10)
    order = Order("shop", open_manifest([str(photos(crew.folder / "proof", 1, side=97))]), (LOOK,), queue="preview")
    before = crew.batch(bulk.id).done
    preview = submit_batch(crew.session, order).batch
    crew.done(preview.id, 1)
    assert crew.batch(bulk.id).done - before < 100
    crew.finished(bulk.id)
    assert crew.batch(preview.id).succeeded == 1
    assert crew.batch(bulk.id).succeeded == 200
    assert_nothing_lost(crew.session, bulk.id)
