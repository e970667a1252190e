"""New styles in the real database and store, learnt on a tiny champion."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from producer.source_intake import Intake
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, UnknownStyle, UsageError
from shared.merchants.actors import operator
from shared.merchants.merchants import merchant_id
from shared.models.styles import Style, StyleRow, list_styles, style_rows
from shared.models.versions import champion, install_built_in
from tests.random_vgg import write_random_vgg
from workers.model.checkpoint import BadCheckpoint, Checkpoint, row_to_bytes, trunk_to_bytes
from workers.model.config import StyleSource
from workers.model.generator import Architecture, Generator, neutral_row
from workers.model.learning.training import Diverged
from workers.model.row_file import RowLabel, row_file
from workers.tools.style_files import export_style, import_style
from workers.tools.style_learning import learn_style
from workers.tools.style_request import StyleRequest

TINY = Architecture(width=4, blocks=1)
DOTS = Style("dots", "Dots", "Nobody", "2026", "CC0 1.0")


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors")


@pytest.fixture
def tiny(session: Session, tmp_path: Path) -> Session:
    """A session whose champion learns quickly and has one public style."""
    torch.manual_seed(3)
    rows = {"plain": row_to_bytes(neutral_row(TINY))}
    styles = (StyleSource("plain", "", "Plain", "Nobody", "2026", "CC0 1.0"),)
    Checkpoint(TINY, trunk_to_bytes(Generator(TINY)), rows, styles).save(tmp_path / "tiny")
    install_built_in(session.engine, session.store, tmp_path / "tiny")
    return session


def picture(path: Path, seed: int) -> Path:
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8))
    coarse.resize((80, 80)).save(path)
    return path


def shop(session: Session, folder: Path, merchant: str, count: int) -> None:
    """Let a merchant have sent some pictures, and one file that is none."""
    with transaction(session.engine) as connection:
        intake = Intake(session.store, merchant_id(connection, merchant), 1 << 20)
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"not an image")
    for path in (folder / "broken.png", *(picture(folder / f"{number}.png", number) for number in range(count))):
        intake.take(f"file://{path}")


def rows_of(session: Session, merchant: str) -> dict[str, StyleRow]:
    with transaction(session.engine) as connection:
        return style_rows(connection, merchant_id(connection, merchant), champion(connection).trunk_sha256)


def lesson(vgg: Path, *images: Path) -> StyleRequest:
    return StyleRequest(DOTS, list(images), operator("shop"), [], str(vgg), steps=2, relearns=False)


def test_a_style_is_learnt_from_what_a_merchant_sent_and_stays_his_own(
    tiny: Session, vgg: Path, tmp_path: Path
) -> None:
    shop(tiny, tmp_path / "sent", "shop", 14)
    before = rows_of(tiny, "shop")
    images = [picture(tmp_path / "1.png", 101), picture(tmp_path / "2.png", 102)]
    learnt = learn_style(tiny, lesson(vgg, *images), lambda _: None)
    assert rows_of(tiny, "shop") == before | {"dots": learnt.row}
    assert rows_of(tiny, "other") == before
    assert all(sha256(tiny.store.get(row.object_key)).hexdigest() == row.sha256 for row in before.values())
    assert tiny.store.size(learnt.row.object_key)
    with transaction(tiny.engine) as connection:
        mine = merchant_id(connection, "shop")
        assert DOTS in list_styles(connection, mine, champion(connection).trunk_sha256)
    with pytest.raises(Conflict, match="dots"):
        learn_style(tiny, lesson(vgg, *images), lambda _: None)
    other = replace(lesson(vgg, images[0]), relearns=True, style=replace(DOTS, title=""))
    newer = learn_style(tiny, other, lambda _: None)
    assert rows_of(tiny, "shop")["dots"] == newer.row != learnt.row
    assert tiny.store.size(learnt.row.object_key)


def test_what_goes_wrong_leaves_everything_as_it_was(tiny: Session, vgg: Path, tmp_path: Path) -> None:
    shop(tiny, tmp_path / "sent", "shop", 10)
    good, flat = picture(tmp_path / "good.png", 101), tmp_path / "flat.png"
    Image.new("RGB", (90, 90), "#80a0c0").save(flat)
    ten = tmp_path / "ten"
    ten.mkdir()
    for number in range(10):
        picture(ten / f"{number}.png", number)
    before = rows_of(tiny, "shop")
    wrong = [
        (lesson(vgg, good), "10 pictures of merchant shop"),
        (lesson(vgg, flat), "nearly uniform"),
        (replace(lesson(vgg, good), photos=[ten]), "10 photos"),
        (replace(lesson(vgg, good), actor=operator()), "--photos"),
        (lesson(tmp_path / "none", good), "VGG-19"),
        (replace(lesson(vgg, good), vgg=f"file://{tmp_path}/none"), "VGG-19"),
        (replace(lesson(vgg, good), style=replace(DOTS, name="a:b")), "lower-case"),
    ]
    for one, reason in wrong:
        with pytest.raises(UsageError, match=reason):
            learn_style(tiny, one, lambda _: None)
    assert rows_of(tiny, "shop") == before


def test_an_interrupted_learning_changes_nothing(tiny: Session, vgg: Path, tmp_path: Path) -> None:
    shop(tiny, tmp_path / "sent", "shop", 14)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    before = rows_of(tiny, "shop")
    with pytest.raises(KeyboardInterrupt):
        learn_style(tiny, replace(lesson(vgg, picture(tmp_path / "1.png", 1)), vgg=f"file://{vgg}"), interrupt)
    assert rows_of(tiny, "shop") == before


def test_an_exported_row_is_imported_as_the_very_same(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "wave.safetensors"
    label = export_style(session, "great-wave", None, file)
    assert (label.name, label.artist) == ("great-wave", "Katsushika Hokusai")
    with pytest.raises(UsageError, match="exists already"):
        export_style(session, "great-wave", None, file)
    with pytest.raises(UnknownStyle):
        export_style(session, "nope", None, tmp_path / "nope")
    with pytest.raises(Conflict, match="great-wave"):
        import_style(session, operator(), file, None)
    imported, current = import_style(session, operator("shop"), file, "my-wave")
    assert current
    assert imported == replace(label, name="my-wave")
    mine = rows_of(session, "shop")
    assert mine["my-wave"].sha256 == mine["great-wave"].sha256
    assert "my-wave" not in rows_of(session, "other")


def test_a_row_that_does_not_fit_is_refused(session: Session, tmp_path: Path) -> None:
    with transaction(session.engine) as connection:
        trunk = champion(connection).trunk_sha256
    right = RowLabel(DOTS.name, DOTS.title, DOTS.artist, DOTS.year, DOTS.licence, trunk)
    size = Architecture().row_size
    files = {
        "another trunk": row_file(torch.ones(size), replace(right, trunk_sha256="0" * 64)),
        "numbers": row_file(torch.ones(size - 1), right),
        "not a style row": json.dumps({"row": []}).encode(),
        "too large": bytes(2 << 20),
    }
    before = rows_of(session, "shop")
    for reason, data in files.items():
        (tmp_path / "row").write_bytes(data)
        with pytest.raises(BadCheckpoint, match=reason):
            import_style(session, operator(), tmp_path / "row", None)
    assert rows_of(session, "shop") == before


def test_a_row_that_was_not_learnt_is_not_stored(tiny: Session, vgg: Path, tmp_path: Path) -> None:
    """The features see nothing at all, so that the loss is not a number."""
    shop(tiny, tmp_path / "sent", "shop", 12)
    blind = write_random_vgg(tmp_path / "blind.safetensors", scale=0.0)
    before = rows_of(tiny, "shop")
    with pytest.raises(Diverged):
        learn_style(tiny, lesson(blind, picture(tmp_path / "1.png", 1)), lambda _: None)
    assert rows_of(tiny, "shop") == before
