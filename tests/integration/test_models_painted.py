"""Two tiny trunks by the real commands and the real painter: taken in, compared, promoted, painted side by side."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save
from sqlalchemy import text
from torch import Tensor

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, UsageError
from shared.look import Look
from shared.merchants.actors import operator
from shared.models.promotion.promotions import PromotionRequest, promote, rollback
from shared.models.promotion.verdicts import list_verdicts, verdict_of
from shared.models.versions import champion, version_of
from shared.queue import batches
from shared.queue.batches import Batch
from tests.atelier_command import command_over, printed
from tests.random_vgg import write_random_vgg
from tests.waiting import LIMIT_SECONDS
from workers.commands.models import verdict_table
from workers.model.checkpoint import BadCheckpoint, Checkpoint, row_to_bytes, trunk_to_bytes
from workers.model.config import StyleSource
from workers.model.generator import Architecture, Generator, neutral_row
from workers.runtime.minibatch_lanes import Canvas, Lanes
from workers.styling.context import WorkerContext, open_worker_context
from workers.styling.stylize_chunk import stylize_chunk
from workers.tools.checkpoint_import import import_checkpoint

TINY = Architecture(width=4, blocks=1)
PLAIN = Look((("plain", 1.0),))


def write_checkpoint(folder: Path, seed: int, architecture: Architecture = TINY) -> Path:
    torch.manual_seed(seed)
    styles = (StyleSource("plain", "plain.png", "Plain", "Nobody", "2026", "CC0 1.0"),)
    rows = {"plain": row_to_bytes(neutral_row(architecture))}
    Checkpoint(architecture, trunk_to_bytes(Generator(architecture)), rows, styles).save(folder)
    return folder


def taken_in(session: Session, folder: Path, seed: int) -> int:
    return import_checkpoint(
        session.engine, session.store, operator(), write_checkpoint(folder, seed), "for a test"
    ).version.id


@pytest.fixture
def two(session: Session, tmp_path: Path) -> tuple[int, int]:
    """Two versions that know the one style there is; the first is the champion."""
    with transaction(session.engine) as connection:
        connection.execute(text("TRUNCATE style_rows, styles"))
    first, second = (taken_in(session, tmp_path / f"checkpoint-{seed}", seed) for seed in (1, 2))
    promote(session.engine, session.store, PromotionRequest(first, "me@here"))
    return first, second


def pictures(folder: Path, count: int, px: int = 48) -> Path:
    folder.mkdir()
    for number in range(count):
        coarse = Image.fromarray(np.random.default_rng(number).integers(0, 256, (9, 9, 3), dtype=np.uint8))
        coarse.resize((px, px)).save(folder / f"{number:03}.png")
    return folder


def submitted(session: Session, folder: Path) -> Batch:
    return submit_batch(session, Order("shop", open_manifest([str(folder)]), (PLAIN,))).batch


def chunk_ids(session: Session, *of: Batch) -> list[int]:
    """The chunks of batches, in turn from each."""
    with transaction(session.engine) as connection:
        rows = connection.execute(
            text("""
            SELECT id FROM chunks WHERE batch_id = ANY(:ids)
            ORDER BY row_number() OVER (PARTITION BY batch_id ORDER BY id), batch_id
            """),
            {"ids": [batch.id for batch in of]},
        )
        return list(rows.scalars())


def trunks_of(session: Session, batch: Batch) -> Counter[str]:
    """How many renditions of a batch were painted by each trunk."""
    with transaction(session.engine) as connection:
        rows = connection.execute(
            text("""
            SELECT r.trunk_sha256 FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
            WHERE l.batch_id = :id
            """),
            {"id": batch.id},
        )
        return Counter(rows.scalars())


def test_one_worker_goes_through_batches_of_two_versions_without_a_restart(
    session: Session, two: tuple[int, int], tmp_path: Path
) -> None:
    """The second is promoted while the worker runs, and it is rolled back before its batch is done."""
    session = replace(
        session, settings=session.settings.model_copy(update={"device": "cpu", "chunk_megapixels": 0.003})
    )
    folder = pictures(tmp_path / "photos", 6)
    with open_worker_context(session.settings, session.engine, session.store, session.broker) as context:
        before = submitted(session, folder)
        stylize_chunk(context, chunk_ids(session, before)[0])
        promote(session.engine, session.store, PromotionRequest(two[1], "me@here"))
        after = submitted(session, pictures(tmp_path / "others", 6, px=64))
        rollback(session.engine, session.store, "me@here", "")
        mixed = chunk_ids(session, before, after)
        assert len(mixed) > 4
        with ThreadPoolExecutor(3) as slots:
            list(slots.map(partial(stylize_chunk, context), mixed))
        kept = context.painter.trunks.kept
    with transaction(session.engine) as connection:
        trunks = [version_of(connection, number).trunk_sha256 for number in two]
        done = [batches.get_batch(connection, batch.id) for batch in (before, after)]
        assert champion(connection).id == two[0]
    assert [(batch.state, batch.succeeded, batch.model_version_id) for batch in done] == [
        ("finished", 6, two[0]),
        ("finished", 6, two[1]),
    ]
    assert [trunks_of(session, batch) for batch in done] == [Counter({trunks[0]: 6}), Counter({trunks[1]: 6})]
    assert sorted(kept) == sorted(trunks)


def test_a_damaged_version_holds_up_its_own_batches_alone_until_it_is_restored(
    session: Session, two: tuple[int, int], tmp_path: Path
) -> None:
    session = replace(session, settings=session.settings.model_copy(update={"device": "cpu"}))
    before = submitted(session, pictures(tmp_path / "photos", 3))
    promote(session.engine, session.store, PromotionRequest(two[1], "me@here"))
    after = submitted(session, pictures(tmp_path / "others", 3, px=64))
    with transaction(session.engine) as connection:
        session.store.put(version_of(connection, two[1]).object_key, b"damaged")
    with open_worker_context(session.settings, session.engine, session.store, session.broker) as context:
        for chunk in chunk_ids(session, after, before):
            stylize_chunk(context, chunk)
        assert context.breaker.seconds == 0
        assert (state_of(session, before), state_of(session, after)) == (("finished", 3), ("running", 0))
        import_checkpoint(session.engine, session.store, operator(), tmp_path / "checkpoint-2", "")
        with transaction(session.engine) as connection:
            waits = connection.execute(
                text("UPDATE chunks SET next_attempt_at = now() WHERE next_attempt_at > now() RETURNING state")
            )
            assert waits.scalars().all() == ["waiting"]
        for chunk in chunk_ids(session, after):
            stylize_chunk(context, chunk)
    assert state_of(session, after) == ("finished", 3)


def state_of(session: Session, batch: Batch) -> tuple[str, int]:
    with transaction(session.engine) as connection:
        found = batches.get_batch(connection, batch.id)
    return found.state, found.succeeded


def test_a_minibatch_is_of_one_trunk_and_each_picture_is_painted_by_its_own(
    session: Session, two: tuple[int, int]
) -> None:
    with transaction(session.engine) as connection:
        trunks = [version_of(connection, number).trunk_sha256 for number in two]
    settings = session.settings.model_copy(update={"device": "cpu", "minibatch": 4, "lanes": 1})
    photo = torch.randint(0, 256, (3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    canvases = [Canvas(trunks[n % 2], photo, photo[:1] * 0 + 255, neutral_row(TINY)) for n in range(8)]
    with open_worker_context(settings, session.engine, session.store, session.broker) as context:
        stacked = _painted(context, canvases)
        alone = [context.painter.paint(trunk, photo[None], photo[None, :1] * 0 + 255, neutral_row(TINY)[None])[0]
                 for trunk in trunks]  # fmt: skip
    assert stacked.sizes == Counter({trunks[0]: 4, trunks[1]: 4})
    for number, painted in enumerate(stacked.pictures):
        assert (painted.int() - alone[number % 2].int()).abs().max() <= 1
        assert (painted.int() - alone[1 - number % 2].int()).abs().float().mean() > 1


class _Painted:
    def __init__(self, paint: Callable[[str, Tensor, Tensor, Tensor], Tensor]) -> None:
        self.sizes: Counter[str] = Counter()
        self.pictures: list[Tensor] = []
        self._paint = paint

    def paint(self, trunk: str, photos: Tensor, areas: Tensor, rows: Tensor) -> Tensor:
        self.sizes[trunk] += len(photos)
        return self._paint(trunk, photos, areas, rows)


def _painted(context: WorkerContext, canvases: Sequence[Canvas]) -> _Painted:
    """Paint canvases that wait together in one lane."""
    found = _Painted(context.painter.paint)
    lanes = Lanes(found.paint, lanes=1, most=context.painter.most)
    futures = [lanes.submit(canvas, priority=1) for canvas in canvases]
    found.pictures = [future.result(timeout=LIMIT_SECONDS) for future in futures]
    lanes.close()
    return found


def test_a_checkpoint_is_verified_and_tried_before_it_is_a_candidate(session: Session, tmp_path: Path) -> None:
    good = write_checkpoint(tmp_path / "good", 5)

    def damaged(name: str, damage: Callable[[Path], object]) -> Path:
        folder = tmp_path / name
        shutil.copytree(good, folder)
        damage(folder)
        return folder

    def edit(**changes: object) -> Callable[[Path], object]:
        def change(folder: Path) -> object:
            path = folder / "checkpoint.json"
            return path.write_text(json.dumps(json.loads(path.read_text()) | changes))

        return change

    def diverged(folder: Path) -> None:
        found = Checkpoint.load(folder)
        weights = {name: tensor * float("nan") for name, tensor in load(found.trunk).items()}
        header = {"architecture": json.dumps({"width": 4, "blocks": 1})}
        replace(found, trunk=save(weights, header)).save(folder)

    def claiming(**architecture: int) -> Callable[[Path], object]:
        def change(folder: Path) -> None:
            found = Checkpoint.load(folder)
            header = {"architecture": json.dumps(architecture)}
            replace(found, trunk=save(load(found.trunk), header)).save(folder)

        return change

    escaping = [{"name": "../x", "file": "x.png", "row_sha256": "0"}]
    wrong = [
        (damaged("flipped", lambda f: (f / "trunk.safetensors").write_bytes(b"x")), BadCheckpoint, "damaged"),
        (damaged("row", lambda f: (f / "styles/plain.safetensors").write_bytes(b"x")), BadCheckpoint, "damaged"),
        (damaged("format", edit(format="pickle")), BadCheckpoint, "no Atelier checkpoint"),
        (damaged("other", edit(architecture={"width": 8, "blocks": 1})), BadCheckpoint, "has the architecture"),
        (damaged("name", edit(styles=escaping)), UsageError, "lower-case"),
        (damaged("none", edit(styles=[])), BadCheckpoint, "has no style"),
        (damaged("text", edit(provenance="mine")), BadCheckpoint, "provenance"),
        (damaged("nan", diverged), BadCheckpoint, "no finite values in plain"),
        (damaged("huge", claiming(width=10**9, blocks=1)), BadCheckpoint, "beyond all use"),
        (damaged("deep", claiming(width=4, blocks=10**9)), BadCheckpoint, "beyond all use"),
        (tmp_path / "nothing", UsageError, "RUN/checkpoint"),
    ]
    for folder, error, reason in wrong:
        with pytest.raises(error, match=reason):
            import_checkpoint(session.engine, session.store, operator(), folder, "")
    with transaction(session.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM model_versions")).scalar_one() == 1


def test_a_second_import_puts_back_what_is_damaged(session: Session, tmp_path: Path) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text("TRUNCATE style_rows, styles"))
    folder = write_checkpoint(tmp_path / "checkpoint", 1)
    first = import_checkpoint(session.engine, session.store, operator(), folder, "")
    session.store.put(first.version.object_key, b"damaged")
    with pytest.raises(Conflict, match="models import"):
        promote(session.engine, session.store, PromotionRequest(first.version.id, "me@here"))
    again = import_checkpoint(session.engine, session.store, operator(), folder, "")
    assert (first.is_new, again.is_new, again.version) == (True, False, first.version)
    promote(session.engine, session.store, PromotionRequest(first.version.id, "me@here"))


def test_a_candidate_is_compared_on_the_panel_and_promoted_by_rule_or_not(
    session: Session, two: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    photos = pictures(tmp_path / "panel", 100, px=32)
    styles = pictures(tmp_path / "styles", 1, px=64)
    (styles / "000.png").rename(styles / "plain.png")
    vgg = write_random_vgg(tmp_path / "vgg.safetensors")
    atelier = command_over(session, monkeypatch)
    files = [f"--photos={photos}", f"--styles={styles}", f"--vgg={vgg}", "--px=64"]
    sheet = tmp_path / "sheet.png"
    rule = "--rule=if-no-style-regresses-by 0%"
    found = printed(atelier("models", "compare", second, *files, f"--sheet={sheet}", rule, "--json"))
    assert (found["candidate"], found["champion"], found["missing"], found["unmeasured"]) == (second, first, [], [])
    assert [style["style"] for style in found["styles"]] == ["plain"]
    assert found["measured"]["plain"].keys() == {"candidate", "champion"}
    assert found["photos"] == len(found["panel"]["photos"]) >= 8
    with Image.open(sheet) as image:
        assert image.format == "PNG"
        assert image.width > 3 * 144
    # One of the two is the better, whichever: the rule promotes it, or leaves it.
    better = found["change"] < 0
    assert found["decision"]["promote"] is better
    with transaction(session.engine) as connection:
        assert champion(connection).id == (second if better else first)
        stored = verdict_of(connection, found["verdict"])
        assert [one.id for one in list_verdicts(connection, second)] == [stored.id]
    table = verdict_table(stored)
    assert table[1].startswith("plain")
    assert table[-1].startswith(f"all: {found['change']:+.1%}")
    assert isinstance(atelier("models", "compare", first, first, *files).exception, Conflict)
    lacking = atelier("models", "compare", second, first, f"--photos={photos}", f"--styles={photos}", f"--vgg={vgg}")
    assert "no image of plain" in str(lacking.exception)
