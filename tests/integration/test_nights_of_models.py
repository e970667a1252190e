"""A shop's nights while the model learns: a retraining between them, a promotion, a rollback; the clock is ours."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.models.promotion.promotions import rollback
from shared.models.versions import champion
from tests.random_vgg import write_random_vgg
from tests.shop import Shop
from tests.training_setup import School, held_out


def test_three_nights_with_a_retraining_a_promotion_and_a_rollback_surprise_nobody(
    session: Session, tmp_path: Path
) -> None:
    school = School.found(session, tmp_path, write_random_vgg(tmp_path / "vgg.safetensors"))
    school.merchant("teacher", [*range(12), *held_out(8)])
    shop = Shop(school.session, tmp_path)
    shop.look("plain", follow=True)
    shop.look("plain", "sku=N2")  # does not follow the model
    shop.schedule()
    skus = {f"N{number}": "as it was" for number in range(6)}
    shop.feed(skus)
    assert shop.live_a_night()["by_reason"] == {"missing": 6}
    first = shop.shown()

    # By day: an image changes, one goes, one comes; a run learns, and what it made is promoted by its rule.
    shop.feed({sku: content for sku, content in skus.items() if sku != "N5"} | {"N1": "other", "new": "x"})
    run = school.train(school.queue(rule="if-no-style-regresses-by 99%"))
    assert (run.state, run.code) == ("finished", None)
    assert run.candidate_id is not None
    assert shop.nights()[0].batch_id is not None
    with transaction(session.engine) as connection:
        assert champion(connection).id == run.candidate_id
    assert version_of(session, shop.night.batch_id) == run.start_id  # that batch stays with its version

    assert shop.live_a_night()["by_reason"] == {"missing": 1, "source_changed": 1, "model_changed": 3}
    assert version_of(session, shop.night.batch_id) == run.candidate_id
    second = shop.shown()
    assert second["N2"] == first["N2"]
    assert {sku for sku in second if second[sku] != first.get(sku)} == {"N0", "N1", "N3", "N4", "new"}

    # By day: it pleases nobody. The pointer goes back, and the night restyles what follows it, and nothing else.
    rollback(session.engine, session.store, "admin", "too blue")
    assert shop.live_a_night()["by_reason"] == {"model_changed": 5}
    assert version_of(session, shop.night.batch_id) == run.start_id
    assert shop.shown()["N2"] == first["N2"]
    assert shop.live_a_night()["by_reason"] == {}
    with transaction(session.engine) as connection:
        changes = connection.execute(text("SELECT kind, who FROM promotions ORDER BY id")).all()
    assert changes[-2:] == [("promote", "rule"), ("rollback", "admin")]
    assert [night.state for night in shop.nights()] == ["planned"] * 4


def version_of(session: Session, batch_id: UUID | None) -> int:
    with transaction(session.engine) as connection:
        found = connection.execute(text("SELECT model_version_id FROM batches WHERE id = :id"), {"id": batch_id})
        return int(found.scalar_one())
