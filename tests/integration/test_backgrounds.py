"""Backgrounds through the real procedure: uploaded, named, looked up, and behind the product."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sqlalchemy import text

from producer.manifest import open_manifest
from producer.output.export import batch_results
from producer.output.results import Result
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import ImageTooLarge, InvalidInput, NotFound, UnreadableImage, UsageError
from shared.look import Look, LookChanges, parse_mix
from shared.merchants.backgrounds import background_key
from shared.operations.belongings import own_objects
from shared.operations.orphans import orphans
from shared.queue.batches import get_batch
from shared.queue.chunks import cancel_batch
from tests.api_clients import client_of
from tests.atelier_command import command_over, printed
from workers.styling.context import WorkerContext, open_worker_context
from workers.styling.stylize_chunk import stylize_chunk

GRADED = Look(parse_mix("clear-contrast"))


def png(size: tuple[int, int], colour: tuple[int, int, int] = (90, 60, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "png")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A product on white, and a texture that shows no product."""
    packshot = Image.new("RGB", (240, 240), "white")
    ImageDraw.Draw(packshot).ellipse((60, 60, 180, 200), fill=(160, 30, 30))
    texture = np.random.default_rng(4).integers(0, 256, (240, 240, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    packshot.save(tmp_path / "photos" / "ball.png")
    Image.fromarray(texture).save(tmp_path / "photos" / "texture.png")
    return tmp_path


def styled(session: Session, context: WorkerContext, folder: Path, background: str) -> dict[str, Result]:
    """Style the photos on a background; return their results by sku."""
    look = LookChanges(background=background).applied(GRADED)
    order = Order("shop", open_manifest([str(folder / "photos")]), (look,), presets=("png",))
    batch = submit_batch(session, order).batch
    with transaction(session.engine) as connection:
        chunk = connection.execute(text("SELECT id FROM chunks WHERE batch_id = :id"), {"id": batch.id}).scalar_one()
    stylize_chunk(context, chunk)
    with transaction(session.engine) as connection:
        batch = get_batch(connection, batch.id)
    return {result.sku: result for result in batch_results(session, batch)}


def pixels(session: Session, sku: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the newest rendition of a sku."""
    with transaction(session.engine) as connection:
        key = connection.execute(
            text("""
            SELECT r.object_key FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
            JOIN jobs j ON (j.batch_id, j.ordinal) = (l.batch_id, l.ordinal)
            WHERE j.sku = :sku ORDER BY r.id DESC LIMIT 1
            """),
            {"sku": sku},
        ).scalar_one()
    return np.asarray(Image.open(io.BytesIO(session.store.get(key))))


def test_a_product_stands_on_a_merchant_s_picture_and_a_texture_keeps_its_own_ground(
    session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier, file = command_over(session, monkeypatch), folder / "oak.png"
    file.write_bytes(png((500, 400)))
    added = printed(atelier("backgrounds", "add", "oak", file, "--merchant", "shop", "--json"))
    settings = session.settings.model_copy(update={"device": "cpu", "lanes": 1})
    with open_worker_context(settings, session.engine, session.store, session.broker) as context:
        results = styled(session, context, folder, "picture:oak")
        assert results["ball"].background == f"picture:{added['sha256']}"
        assert pixels(session, "ball")[0, 0].tolist() == [90, 60, 30]
        assert results["texture"].background == "keep"
        assert results["texture"].quality["mask"] < 0.5
        clear = styled(session, context, folder, "transparent")
        assert clear["ball"].background == "transparent"
        assert pixels(session, "ball")[..., 3].min() == 0
        session.store.delete(background_key(1, added["sha256"]))
        context.backgrounds.picture.cache_clear()
        gone = [key for key in own_objects(session.store, 1) if "backgrounds/" in key.key]
        assert gone == []
        (folder / "photos" / "texture.png").unlink()
        Image.new("RGB", (240, 240), "white").save(folder / "photos" / "ball.png")
        failed = styled(session, context, folder, "picture:oak")["ball"]
    assert (failed.state, failed.code) == ("failed", "background_gone")


def test_a_picture_is_its_merchant_s_alone(session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier, file = command_over(session, monkeypatch), folder / "oak.png"
    file.write_bytes(png((500, 400)))
    added = printed(atelier("backgrounds", "add", "oak", file, "--merchant", "other", "--json"))
    assert [one["name"] for one in printed(atelier("backgrounds", "list", "--merchant", "other", "--json"))] == ["oak"]
    assert printed(atelier("backgrounds", "list", "--merchant", "shop", "--json")) == []
    for name in ("oak", added["sha256"]):
        look = LookChanges(background=f"picture:{name}").applied(GRADED)
        order = Order("shop", open_manifest([str(folder / "photos")]), (look,), presets=("png",))
        with pytest.raises(UsageError, match="unknown background picture"):
            submit_batch(session, order)
    assert isinstance(atelier("backgrounds", "remove", "oak", "--merchant", "shop").exception, NotFound)
    assert printed(atelier("backgrounds", "remove", "oak", "--merchant", "other", "--json"))["removed"]


def test_a_replaced_picture_stays_while_a_look_names_it(
    session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier, file = command_over(session, monkeypatch), folder / "oak.png"

    def add(colour: tuple[int, int, int]) -> str:
        file.write_bytes(png((500, 400), colour))
        added = printed(atelier("backgrounds", "add", "oak", file, "--merchant", "shop", "--json"))
        return background_key(1, added["sha256"])

    def swept() -> list[str]:
        return [key for keys in orphans(session.engine, session.store, timedelta(seconds=-2)) for key in keys]

    of_rows = add((1, 2, 3))
    manifest = folder / "rows.csv"
    manifest.write_text("sku,image,background\na,photos/ball.png,picture:oak\n")
    batch = submit_batch(session, Order("shop", open_manifest([str(manifest)]), (GRADED,))).batch
    of_catalogue = add((4, 5, 6))
    look = (
        "catalog",
        "look",
        "set",
        "default",
        "--merchant",
        "shop",
        "--style",
        "udnie",
        "--background",
        "picture:oak",
    )
    assert atelier(*look).exit_code == 0
    of_campaign = add((7, 8, 9))
    assert atelier(*look, "--until", "2200-01-01").exit_code == 0
    add((10, 11, 12))
    assert swept() == []
    with transaction(session.engine) as connection:
        cancel_batch(connection, batch.id)
    assert swept() == [of_rows]
    assert session.store.exists(of_catalogue)
    assert session.store.exists(of_campaign)


@pytest.mark.parametrize(
    ("data", "error", "code"),
    [
        (b"", UnreadableImage, "unreadable_image"),
        (b"<svg/>", UnreadableImage, "unreadable_image"),
        (png((500, 400))[:60], UnreadableImage, "unreadable_image"),
        (png((399, 800)), UnreadableImage, "background_too_small"),
        (png((400, 1700)), UnreadableImage, "background_too_small"),
        (png((12_000, 9_000)), ImageTooLarge, "image_too_large"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_when_it_is_added(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, error: type[InvalidInput], code: str
) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(data)
    refused = command_over(session, monkeypatch)("backgrounds", "add", "oak", file).exception
    assert isinstance(refused, error)
    assert refused.code == code


def test_a_merchant_s_program_adds_lists_and_removes_pictures(session: Session) -> None:
    client, file = client_of(session, "shop"), {"picture": ("oak.png", png((500, 400)), "image/png")}
    added = client.put("/v1/backgrounds/oak", files=file)
    assert added.status_code == 200
    assert [one["sha256"] for one in client.get("/v1/backgrounds").json()] == [added.json()["sha256"]]
    assert client.put("/v1/backgrounds/Oak!", files=file).status_code == 400
    assert client.delete("/v1/backgrounds/oak").status_code == 204
    assert client.delete("/v1/backgrounds/oak").status_code == 404
    assert client.get("/v1/backgrounds").json() == []


def test_a_row_of_a_manifest_has_a_background_of_its_own(session: Session, folder: Path) -> None:
    manifest = folder / "rows.csv"
    manifest.write_text("sku,image,background\na,photos/ball.png,#102030\nb,photos/ball.png,\nc,photos/ball.png,blue\n")
    batch = submit_batch(session, Order("shop", open_manifest([str(manifest)]), (GRADED,), presets=("png",))).batch
    results = {result.sku: result for result in batch_results(session, batch)}
    assert (results["a"].background, results["b"].background) == ("#102030", "keep")
    assert (results["c"].state, results["c"].code) == ("failed", "bad_background")
