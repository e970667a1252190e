"""What a verdict says beside the panel: today's photos and rejected ones in their looks, and merchants' own styles."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.catalog.looks import set_look
from shared.context import Session
from shared.database import transaction
from shared.look import Look
from shared.merchants.merchants import set_consent
from shared.models.promotion.verdict_details import OwnStyles
from shared.models.promotion.verdicts import verdict_of
from shared.models.styles import Style, StyleRow, add_style, add_style_row
from shared.models.training.look_photos import live_photos, rejected_photos
from shared.models.versions import champion
from shared.operations.erasure import erase
from shared.quality.reviews import ReviewState, judge
from tests.atelier_command import command_over, printed
from tests.builders import add_finished
from tests.random_vgg import write_random_vgg
from tests.training_setup import School, held_out, picture
from workers.model.dataset import side_of

PLAIN = Look((("plain", 1.0),))
FAINT = Look((("plain", 1.0),), strength=0.25)
FIGURES = {"content_distance", "product_delta_e", "delta_e_p95", "edges", "white_kept", "style_error"}


@pytest.fixture
def school(session: Session, tmp_path: Path) -> School:
    return School.found(session, tmp_path, write_random_vgg(tmp_path / "vgg.safetensors"))


def reject(school: School, merchant: str, seeds: list[int], look: Look) -> None:
    """Let the renditions of some catalogue photos be rejected by their merchant, the first longest ago."""
    with transaction(school.session.engine) as connection:
        batch = add_finished(connection, merchant, len(seeds))
        for ordinal, seed in enumerate(seeds):
            this = {"batch": batch.id, "ordinal": ordinal, "merchant": batch.merchant_id}
            connection.execute(
                text("UPDATE jobs SET look = CAST(:look AS jsonb) WHERE batch_id = :batch AND ordinal = :ordinal"),
                this | {"look": look.json},
            )
            connection.execute(
                text("""
                UPDATE renditions SET source_sha256 = :sha256 WHERE id = (
                    SELECT rendition_id FROM job_renditions WHERE batch_id = :batch AND ordinal = :ordinal)
                """),
                this | {"sha256": sha256(picture(seed)).hexdigest()},
            )
            connection.execute(text("INSERT INTO reviews VALUES (:batch, :ordinal, :merchant)"), this)
            judge(connection, batch.id, ordinal, ReviewState.REJECTED, "me@here", "too blue")


def own_style(school: School, merchant: int, name: str) -> None:
    with transaction(school.session.engine) as connection:
        style = add_style(connection, Style(name, name, "", "", ""), merchant=merchant)
        add_style_row(connection, style, champion(connection).trunk_sha256, StyleRow(name, "sha", f"styles/{name}"))


def test_a_verdict_covers_recent_and_rejected_photos_and_merchants_own_styles(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = school.merchant("shop", [*range(12), *(seeds := held_out(4))])
    other = school.merchant("other", [50])
    own_style(school, other, "dots")
    with transaction(school.session.engine) as connection:
        set_look(connection, shop, "default", "", FAINT, follows_model=False)
        set_look(connection, shop, "sku", f"sku-{seeds[0]}", Look((("plain", 1.0),), strength=0), follows_model=False)
    for again in ([3], [3, 5, 999]):  # one twice, and one whose photo is not kept
        reject(school, "shop", again, PLAIN)
    reject(school, "other", [50], Look((("dots", 1.0),)))
    run = school.train(school.queue(rule="if-no-style-regresses-by 99%"))
    assert run.verdict_id is not None
    with transaction(school.session.engine) as connection:
        stored = verdict_of(connection, run.verdict_id)
        shown = connection.execute(text("SELECT merchants FROM verdicts")).scalar_one()
    assert shown == sorted([shop, other])
    parts = stored.figures.details.parts
    assert parts
    live, rejected = (parts[part] for part in ("live", "rejected"))
    unseen = [seed for seed in (*range(12), *seeds) if side_of(sha256(picture(seed)).hexdigest()) == "test"]
    assert (live.photos, live.unmeasured) == (len(unseen), 0)
    assert (rejected.photos, rejected.unmeasured) == (2, 1)
    assert live.figures.keys() == rejected.figures.keys() == FIGURES
    # A quarter of the paint changes less than all of it.
    assert 0 < live.figures["content_distance"].champion < rejected.figures["content_distance"].champion
    assert stored.figures.details.own_styles == {"other": OwnStyles(kept=0, lost=1)}
    assert stored.verdict.missing == ["other/dots"]
    assert "lacks 1 own styles of merchants: " in str(run.message)
    assert f"`atelier models promote {run.candidate_id} --without-own-styles`" in str(run.message)

    atelier = command_over(school.session, monkeypatch)
    told = atelier("models", "show", run.candidate_id).stdout
    assert f"live, {len(unseen)} current catalogue images; content_distance" in told
    assert "1 not measured, for a style of their looks" in told
    assert "lost are 1 of 1 of other" in told
    erase(school.session.engine, school.session.store, other, lambda _: None)
    left = printed(atelier("models", "show", run.candidate_id, "--json"))["verdicts"][0]
    assert (left["figures"]["own_styles"], left["figures"]["missing"], left["sheet_key"]) == ({}, [], None)
    assert "dots" not in str(left)


def test_live_photos_have_the_narrowest_look_and_those_of_who_consents_take_turns(school: School) -> None:
    shop, other = school.merchant("shop", range(6)), school.merchant("other", range(10, 12))
    silent = school.merchant("silent", range(20, 24), consents=False)
    looks = {"default": "", "category": "mugs", "collection": "spring", "sku": "sku-5"}
    with transaction(school.session.engine) as connection:
        connection.execute(text("UPDATE catalog_images SET category = 'mugs' WHERE sku IN ('sku-3', 'sku-4', 'sku-5')"))
        connection.execute(text("UPDATE catalog_images SET collection = 'spring' WHERE sku IN ('sku-4', 'sku-5')"))
        for place, (scope, value) in enumerate(looks.items(), 1):
            set_look(connection, shop, scope, value, Look((("plain", 1.0),), strength=place / 10), follows_model=True)
        for merchant in (other, silent):
            set_look(connection, merchant, "default", "", PLAIN, follows_model=True)
        found = live_photos(connection, 100)
        few = live_photos(connection, 5)
    strengths = {one.photo.sha256: one.look.strength for one in found if one.photo.merchant_id == shop}
    wanted = [0.1, 0.1, 0.1, 0.2, 0.3, 0.4]
    assert strengths == {sha256(picture(seed)).hexdigest(): wanted[seed] for seed in range(6)}
    assert {one.photo.merchant_id for one in found} == {shop, other}
    assert sorted((one.photo.merchant_id, one.look.strength) for one in few) == sorted(
        [(shop, 0.1), (shop, 0.2), (shop, 0.3), (shop, 0.4), (other, 1.0)]
    )


def test_rejected_photos_are_the_newest_each_once_in_each_look_of_who_consents(school: School) -> None:
    shop = school.merchant("shop", range(4))
    reject(school, "shop", [0, 1, 2], PLAIN)
    reject(school, "shop", [1], PLAIN)
    reject(school, "shop", [1], FAINT)
    with transaction(school.session.engine) as connection:
        found = rejected_photos(connection, 3)
        everything = rejected_photos(connection, 10)
    named = [(one.photo.sha256, one.look.strength) for one in found]
    assert named == [
        (sha256(picture(seed)).hexdigest(), strength) for seed, strength in ((1, 0.25), (1, 1.0), (2, 1.0))
    ]
    assert len(everything) == 4
    with transaction(school.session.engine) as connection:
        set_consent(connection, shop, consents=False)
        assert rejected_photos(connection, 10) == []
