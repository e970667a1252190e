"""Procedural styles through the real procedure: behind the same names, looks and mixes as those that are learnt."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict
from shared.look import Look, parse_mix
from shared.merchants.merchants import merchant_id
from shared.models.styles import learnt_rows, read_definitions, style_rows
from shared.models.versions import BUILT_IN, add_candidate, champion
from shared.queue.batches import Batch, get_batch
from tests.atelier_command import command_over, printed
from workers.images.compose import Pixels
from workers.images.procedural.definition import effect_from_bytes
from workers.images.procedural.tones import BadStyle
from workers.styling.context import WorkerContext, open_worker_context
from workers.styling.stylize_chunk import stylize_chunk

DEFINITIONS = {style.name: data for style, data in read_definitions(BUILT_IN / "procedural.json")}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A scene of coarse noise, painted everywhere."""
    coarse = Image.fromarray(np.random.default_rng(2).integers(0, 160, (9, 12, 3), dtype=np.uint8))
    coarse.resize((120, 90)).save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


def styled(session: Session, context: WorkerContext, path: Path, look: Look) -> tuple[Batch, Pixels]:
    """Style a photo; return the batch and the rendition's pixels."""
    batch = submit_batch(session, Order("shop", open_manifest([str(path)]), (look,), presets=("png",))).batch
    with transaction(session.engine) as connection:
        chunk = connection.execute(text("SELECT id FROM chunks WHERE batch_id = :id"), {"id": batch.id}).scalar_one()
    stylize_chunk(context, chunk)
    with transaction(session.engine) as connection:
        key = connection.execute(
            text("""
            SELECT r.object_key FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id WHERE l.batch_id = :id
            """),
            {"id": batch.id},
        ).scalar_one()
        return get_batch(connection, batch.id), np.asarray(Image.open(io.BytesIO(session.store.get(key))))


def test_they_are_styled_cached_and_mixed_as_others_are(session: Session, photo: Path) -> None:
    source = np.asarray(Image.open(photo))
    sepia, film = (effect_from_bytes(DEFINITIONS[name]).apply(source, 1.0) for name in ("sepia", "warm-film"))
    settings = session.settings.model_copy(update={"device": "cpu", "lanes": 1})
    with open_worker_context(settings, session.engine, session.store, session.broker) as context:
        _, alone = styled(session, context, photo, Look(parse_mix("sepia")))
        again, _ = styled(session, context, photo, Look(parse_mix("sepia")))
        _, both = styled(session, context, photo, Look(parse_mix("sepia:0.5,warm-film:0.5")))
        _, learnt = styled(session, context, photo, Look(parse_mix("udnie")))
        _, across = styled(session, context, photo, Look(parse_mix("sepia:0.25,udnie:0.75")))
        _, half = styled(session, context, photo, Look(parse_mix("sepia"), strength=0.5))
    assert np.array_equal(alone, sepia)
    assert again.reused == 1
    assert np.abs(both - (sepia.astype(float) + film) / 2).max() <= 1
    assert np.abs(across - (0.25 * sepia.astype(float) + 0.75 * learnt)).max() <= 1
    assert np.abs(half - (sepia.astype(float) + source) / 2).max() <= 1


def test_one_is_handed_on_as_a_file_changed_and_taken_in_for_one_merchant(
    session: Session, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier, file, out = command_over(session, monkeypatch), tmp_path / "brand.json", tmp_path / "brand.png"
    assert printed(atelier("styles", "export", "duotone", "--out", file, "--json"))["trunk_sha256"] == ""
    entry = json.loads(file.read_text())
    entry["definition"]["colours"] = ["#003300", "#ccffcc"]
    file.write_text(json.dumps(entry))
    with transaction(session.engine) as connection:
        merchant_id(connection, "shop")
    taken = printed(atelier("styles", "import", file, "--name", "brand", "--merchant", "shop", "--json"))
    assert (taken["name"], taken["champion"]) == ("brand", True)
    assert isinstance(atelier("styles", "import", file, "--name", "brand", "--merchant", "shop").exception, Conflict)
    names = [
        {one["name"] for one in printed(atelier("styles", "list", "--merchant", merchant, "--json"))}
        for merchant in ("shop", "local")
    ]
    assert names[0] - names[1] == {"brand"}
    printed(atelier("styles", "preview", "brand", photo, "--merchant", "shop", "--out", out, "--json"))
    made, definition = np.asarray(Image.open(out)), json.dumps(entry["definition"]).encode()
    assert np.array_equal(made, effect_from_bytes(definition).apply(np.asarray(Image.open(photo)), 1.0))
    for wrong in ("", "[]", '{"name": "x"}', '{"name": "x", "definition": {"kind": "oil"}}'):
        file.write_text(wrong)
        assert isinstance(atelier("styles", "import", file, "--name", "other").exception, BadStyle)


def test_every_trunk_has_them_and_none_is_taken_for_a_style_vector(session: Session) -> None:
    with transaction(session.engine) as connection:
        add_candidate(connection, "another", "models/another.safetensors", {})
        assert style_rows(connection, None, "another").keys() == DEFINITIONS.keys()
        assert learnt_rows(connection, None, "another") == {}
        known = champion(connection).trunk_sha256
        learnt = learnt_rows(connection, None, known)
        assert style_rows(connection, None, known).keys() == learnt.keys() | DEFINITIONS.keys()
        assert not learnt.keys() & DEFINITIONS.keys()
