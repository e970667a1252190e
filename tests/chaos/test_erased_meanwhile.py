"""A merchant is erased while a worker has chunks of theirs in hand."""

from __future__ import annotations

from shared.database import transaction
from shared.operations.belongings import count_rows, own_objects
from shared.operations.erasure import erase
from shared.queue import chunks
from tests.chaos.crew import Crew


def test_nothing_is_left_and_the_worker_lives_on(crew: Crew) -> None:
    gate = crew.folder / "gate"
    batch = crew.submit(24, marked=(8,))
    worker = crew.start("hold", gate)
    crew.wait_until(gate.with_suffix(".reached").exists, "the marked image in hand")
    session = crew.session
    with transaction(session.engine) as connection:
        chunks.cancel_batch(connection, batch.id)
    done = erase(session.engine, session.store, batch.merchant_id, lambda _: gate.touch())
    assert done.objects >= 24
    with transaction(session.engine) as connection:
        assert count_rows(connection, batch.merchant_id) == {}
    assert list(own_objects(session.store, batch.merchant_id)) == []
    again = crew.submit(3, name="again")
    crew.finished(again.id)
    assert crew.batch(again.id).succeeded == 3
    assert not crew.gone(worker, 0)
