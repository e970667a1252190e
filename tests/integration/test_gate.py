"""The quality gate through the real procedure: renditions blended back, or held for review."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.catalog.publishing import publish
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict
from shared.look import Look, parse_mix
from shared.merchants.merchants import merchant_id
from shared.quality.gate import Gate, GateRule, Quality, set_gate
from shared.queue import batches, chunks, jobs
from shared.queue.batches import Batch
from shared.queue.outcomes import Succeeded
from shared.queue.renditions import NewRendition
from tests.atelier_command import command_over, printed
from tests.shop import Shop, painted
from workers.styling.context import open_worker_context
from workers.styling.stylize_chunk import stylize_chunk


def photo(folder: Path) -> Path:
    """A product on white."""
    pixels = np.full((96, 96, 3), 252, np.uint8)
    pixels[24:72, 24:72] = np.random.default_rng(2).integers(0, 256, (6, 6, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(pixels).save(folder / "mug.png")
    return folder / "mug.png"


def styled(session: Session, path: Path, gate: Gate | None) -> tuple[Batch, dict[str, float]]:
    """Style a photo under a gate; return the batch and the figures of its rendition."""
    with transaction(session.engine) as connection:
        set_gate(connection, merchant_id(connection, "shop"), gate)
    order = Order("shop", open_manifest([str(path)]), (Look(parse_mix("udnie")),))
    batch = submit_batch(session, order).batch
    settings = session.settings.model_copy(update={"device": "cpu", "lanes": 1})
    with transaction(session.engine) as connection:
        chunk = connection.execute(text("SELECT id FROM chunks WHERE batch_id = :id"), {"id": batch.id}).scalar_one()
    with open_worker_context(settings, session.engine, session.store, session.broker) as context:
        stylize_chunk(context, chunk)
    with transaction(session.engine) as connection:
        quality = connection.execute(
            text("""
            SELECT r.quality FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id WHERE l.batch_id = :id
            """),
            {"id": batch.id},
        ).scalar_one()
        return batches.get_batch(connection, batch.id), quality


def test_a_rendition_beyond_the_limits_is_blended_back_and_kept_apart_from_others(
    session: Session, tmp_path: Path
) -> None:
    path = photo(tmp_path)
    _, free = styled(session, path, None)
    assert free["strength"] == 1
    assert free["white_kept"] > 0.9
    limit = free["product_delta_e"] * 0.6
    batch, gated = styled(session, path, Gate(delta_e=limit, rule=GateRule.BLEND))
    assert gated["strength"] in (0.25, 0.5, 0.75)
    assert gated["product_delta_e"] <= limit
    assert (batch.succeeded, batch.reused) == (1, 0)
    batch, again = styled(session, path, Gate(delta_e=limit, rule=GateRule.BLEND))
    assert (batch.reused, again) == (1, gated)
    batch, as_before = styled(session, path, None)
    assert (batch.reused, as_before) == (1, free)


def test_what_is_held_is_held_when_it_is_used_again_too(session: Session, tmp_path: Path) -> None:
    path = photo(tmp_path)
    _, free = styled(session, path, None)
    batch, _ = styled(session, path, Gate(content=free["content_distance"] / 2))
    assert batch.reused == 1
    with transaction(session.engine) as connection:
        held = connection.execute(text("SELECT batch_id, ordinal, state FROM reviews")).all()
    assert [tuple(one) for one in held] == [(batch.id, 0, "waiting")]


def test_a_night_shows_what_passes_and_the_rest_when_it_is_approved(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(session, tmp_path)
    shop.look("pastel")
    shop.schedule()
    with transaction(session.engine) as connection:
        set_gate(connection, shop.id, Gate(content=0.5))
    shop.feed({f"N{number}": "a" for number in range(4)})
    shop.sleep(shop.now.replace(hour=1) + timedelta(days=1))
    batch = shop.night.batch_id
    assert batch is not None
    finish_with(session, batch, {"N1": 0.9, "N2": 0.8})
    shop.sleep(timedelta(hours=2))
    shown = shop.shown()
    assert {sku for sku, key in shown.items() if key is None} == {"N1", "N2"}

    atelier = command_over(session, monkeypatch)
    waiting = printed(atelier("reviews", "list", "-m", "shop", "--json"))
    by_sku = {one["sku"]: one["ordinal"] for one in waiting}
    assert set(by_sku) == {"N1", "N2"}
    done = printed(atelier("reviews", "approve", batch, by_sku["N1"], "-m", "shop", "--json"))
    assert done == {"state": "approved", "shown": 1}
    printed(atelier("reviews", "reject", batch, by_sku["N2"], "-m", "shop", "--reason", "face lost", "--json"))
    assert {sku for sku, key in shop.shown().items() if key is None} == {"N2"}
    with transaction(session.engine) as connection:
        assert publish(connection, shop.id, batch, "admin") == 0  # what was rejected stays away
    assert isinstance(atelier("reviews", "approve", batch, by_sku["N2"], "-m", "shop").exception, Conflict)
    rejected = printed(atelier("reviews", "list", "-m", "shop", "--state", "rejected", "--json"))
    assert [(one["sku"], one["reason"]) for one in rejected] == [("N2", "face lost")]
    assert shop.live_a_night()["by_reason"] == {}  # it is styled, and not tried again every night


def finish_with(session: Session, batch_id: UUID, distances: dict[str, float]) -> None:
    """Do a night's chunks, with renditions that are so far from their photos, .1 where nothing is said."""
    with transaction(session.engine) as connection:
        ids = connection.execute(text("SELECT id FROM chunks WHERE batch_id = :id"), {"id": batch_id}).scalars().all()
        for chunk_id in ids:
            claim = chunks.claim(connection, chunk_id, uuid4(), 60)
            assert claim is not None
            done = []
            for job in jobs.queued_jobs(connection, claim.batch.id, claim.first_ordinal, claim.last_ordinal):
                made = painted(claim, job)
                quality = Quality(distances.get(job.sku, 0.1), 1.0, 1.0, 1.0)
                new: list[NewRendition] = [replace(one, quality=quality) for one in made.new]
                done.append(Succeeded(job.ordinal, made.keys, new))
            chunks.finish(connection, claim, done, 60)
            chunks.release(connection, claim)
