"""Files for channels through the real procedure: one inference, keys, reports, and what is not published."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from producer.manifest import open_manifest
from producer.output.export import export_batch
from producer.output.out_folder import prepare_folder
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, UsageError
from shared.look import Look, parse_mix
from shared.merchants.actions import add_preset
from shared.merchants.actors import operator
from shared.merchants.presets import own_presets, resolve_presets
from shared.merchants.scope import scope
from shared.presets import Preset
from shared.queue.batches import Batch, BatchState, get_batch
from tests.atelier_command import command_over, printed
from workers.styling.context import WorkerContext, open_worker_context
from workers.styling.stylize_chunk import stylize_chunk

HALFTONE = Look(parse_mix("halftone"))
SHOP = Preset("my-shop", ("120x120",), fit="pad", min_side=100, enlarge=2.0)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A dark product on white."""
    pixels = np.full((150, 240, 3), 255, np.uint8)
    pixels[40:110, 90:150] = (60, 40, 120)
    Image.fromarray(pixels).save(tmp_path / "mug.png")
    return tmp_path / "mug.png"


def styled(session: Session, context: WorkerContext, photo: Path, presets: tuple[str, ...], look: Look) -> Batch:
    batch = submit_batch(session, Order("shop", open_manifest([str(photo)]), (look,), presets)).batch
    with transaction(session.engine) as connection:
        chunk = connection.execute(text("SELECT id FROM chunks WHERE batch_id = :id"), {"id": batch.id}).scalar_one()
    stylize_chunk(context, chunk)
    with transaction(session.engine) as connection:
        return get_batch(connection, batch.id)


def published(out: Path) -> dict[str, bool]:
    with (out / "results.csv").open(newline="") as file:
        return {row["preset"]: row["published"] == "true" for row in csv.DictReader(file)}


def test_files_of_channels_are_made_checked_and_written_apart(session: Session, photo: Path, tmp_path: Path) -> None:
    add_preset(session.engine, operator("shop"), SHOP)
    settings = session.settings.model_copy(update={"device": "cpu", "lanes": 1})
    with open_worker_context(settings, session.engine, session.store, session.broker) as context:
        batch = styled(session, context, photo, ("jpeg", "my-shop", "amazon-main", "google"), HALFTONE)
        again = styled(session, context, photo, ("jpeg", "my-shop", "amazon-main", "google"), HALFTONE)
        add_preset(session.engine, operator("shop"), Preset("my-shop", ("120x120",), fit="pad", min_side=110))
        changed = styled(session, context, photo, ("jpeg", "my-shop"), HALFTONE)
    assert (batch.state, batch.succeeded) == (BatchState.FINISHED, 1)
    assert "amazon-additional" in batch.presets  # styled pictures are routed there
    assert (again.reused, again.unpublished) == (1, batch.unpublished)
    assert changed.reused == 0

    prepare_folder(tmp_path / "out")
    export_batch(session, batch, tmp_path / "out")
    assert published(tmp_path / "out") == {
        "jpeg": True, "my-shop": True, "amazon-main": False, "amazon-additional": False, "google": False,
    }  # fmt: skip
    assert batch.unpublished == 3
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg")}
    assert files == {
        "jpeg/mug.jpg",
        "my-shop/mug.jpg",
        *(f"unpublished/{name}/mug.jpg" for name in ("amazon-main", "amazon-additional", "google")),
    }
    with Image.open(tmp_path / "out/my-shop/mug.jpg") as made:
        assert made.width == made.height
    with (tmp_path / "out/rules.csv").open(newline="") as file:
        rules = {(row["preset"], row["rule"]): row["passed"] for row in csv.DictReader(file)}
    assert rules["amazon-main", "photograph"] == "false"
    assert rules["my-shop", "shorter side"] == "true"
    assert not any(preset == "jpeg" for preset, _ in rules)


def test_a_photograph_is_not_routed(session: Session, photo: Path) -> None:
    order = Order("shop", open_manifest([str(photo)]), (Look(parse_mix("halftone"), strength=0.0),), ("amazon-main",))
    assert submit_batch(session, order).batch.presets == ("amazon-main",)


def test_own_presets_have_versions_and_belong_to_one_merchant(session: Session) -> None:
    newer = Preset("my-shop", ("90x90",))
    assert add_preset(session.engine, operator("shop"), SHOP)
    assert add_preset(session.engine, operator("shop"), newer)
    assert not add_preset(session.engine, operator("shop"), SHOP)  # current again
    with scope(session.engine, "shop") as (connection, mine):
        assert own_presets(connection, mine) == {"my-shop": SHOP}
    with scope(session.engine, "other") as (connection, theirs), pytest.raises(UsageError, match="unknown"):
        resolve_presets(connection, theirs, ["my-shop"])
    with pytest.raises(Conflict, match="another name"):
        add_preset(session.engine, operator("shop"), Preset("shopify", ("90x90",)))


def test_an_old_version_can_be_made_current_again_when_there_are_as_many_as_may_be(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.merchants.presets.MOST_OWN", 2)
    for rules in (SHOP, Preset("my-shop", ("90x90",))):
        assert add_preset(session.engine, operator("shop"), rules)
    assert not add_preset(session.engine, operator("shop"), SHOP)
    with scope(session.engine, "shop") as (connection, mine):
        assert own_presets(connection, mine) == {"my-shop": SHOP}
    with pytest.raises(Conflict, match="may have 2"):
        add_preset(session.engine, operator("shop"), Preset("my-shop", ("80x80",)))


def test_a_batch_keeps_the_rules_that_it_began_with(session: Session, photo: Path) -> None:
    add_preset(session.engine, operator("shop"), SHOP)
    batch = submit_batch(session, Order("shop", open_manifest([str(photo)]), (HALFTONE,), ("my-shop",))).batch
    add_preset(session.engine, operator("shop"), Preset("my-shop", ("90x90",)))
    with transaction(session.engine) as connection:
        assert get_batch(connection, batch.id).preset_rules == {"my-shop": SHOP}


def test_commands_list_show_and_add_presets(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier, file = command_over(session, monkeypatch), tmp_path / "rules.json"
    shown = printed(atelier("presets", "show", "etsy", "--json"))
    file.write_text(json.dumps(shown))
    assert printed(atelier("presets", "add", "my-etsy", "--file", file, "--json"))["new"]
    names = [row["name"] for row in json.loads(atelier("presets", "list", "--json").stdout)]
    assert {"jpeg", "shopify", "amazon-main", "web", "my-etsy"} <= set(names)
    assert len(set(names)) == len(names)
