"""A champion that learns in no time, styles with pictures, and merchants with catalogues to learn from."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import torch
from PIL import Image
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.merchants.merchants import merchant_id, set_consent
from shared.models.styles import Style, add_style
from shared.models.training.pictures import keep_pictures, put_pictures
from shared.models.training.requests import RunRequest, RunSpec, Trigger
from shared.models.training.runs import TrainingRun, get_run, queue_run
from shared.models.versions import install_built_in
from shared.queue.jobs import STORED
from shared.source_copies import source_key
from workers.model.checkpoint import Checkpoint, row_to_bytes, trunk_to_bytes
from workers.model.config import StyleSource
from workers.model.dataset import side_of
from workers.model.generator import Architecture, Generator, neutral_row
from workers.model.vgg import Vgg
from workers.training.context import TrainerContext, open_trainer_context
from workers.training.retraining import train_slice

TINY = Architecture(width=4, blocks=1)
QUICK = {"crop_px": 32, "crops": 1, "style_px": 64, "validate_every": 2, "rate": 1e-3}


def picture(seed: int, *, light: int = 0, side: int = 40) -> bytes:
    """A picture of coarse noise, all different; ``light`` is the least level."""
    coarse = Image.fromarray(np.random.default_rng(seed).integers(light, 256, (9, 9, 3), dtype=np.uint8))
    found = io.BytesIO()
    coarse.resize((side, side)).save(found, "PNG")
    return found.getvalue()


def held_out(count: int) -> list[int]:
    """Seeds of pictures that are of the test split."""
    test = (seed for seed in itertools.count(5000) if side_of(sha256(picture(seed)).hexdigest()) == "test")
    return list(itertools.islice(test, count))


@dataclass
class School:
    """A session whose champion is tiny and knows the public style ``plain``."""

    session: Session
    folder: Path
    vgg: Vgg | None = None
    """The features, once a trainer has read them."""

    @classmethod
    def found(cls, session: Session, folder: Path, vgg: Path) -> School:
        """Make the champion and its style's picture; ``vgg`` are the features."""
        settings = session.settings.model_copy(update={"vgg": str(vgg), "device": "cpu", "train_slice_minutes": 60})
        school = cls(replace(session, settings=settings), folder)
        torch.manual_seed(3)
        rows = {"plain": row_to_bytes(neutral_row(TINY))}
        styles = (StyleSource("plain", "", "Plain", "Nobody", "2026", "CC0 1.0"),)
        Checkpoint(TINY, trunk_to_bytes(Generator(TINY)), rows, styles).save(folder / "tiny")
        install_built_in(session.engine, session.store, folder / "tiny")
        school.style("plain", 500)
        return school

    def style(self, name: str, seed: int, merchant: int | None = None) -> None:
        """Let a style be known by its picture alone, or give one a picture."""
        path = self.folder / f"{name}.png"
        path.write_bytes(picture(seed, side=72))
        hashes = put_pictures(self.session.store, [path])
        with transaction(self.session.engine) as connection:
            style = add_style(connection, Style(name, name, "", "", ""), merchant=merchant)
            keep_pictures(connection, style, hashes)

    def merchant(self, name: str, seeds: Iterable[int], *, consents: bool = True, light: int = 0) -> int:
        """Give a merchant a catalogue, newer images of higher seeds; return the id."""
        with transaction(self.session.engine) as connection:
            merchant = merchant_id(connection, name)
            set_consent(connection, merchant, consents=consents)
        for seed in seeds:
            self.image(merchant, seed, picture(seed, light=light))
        return merchant

    def image(self, merchant: int, seed: int, data: bytes) -> str:
        """Put an image into a merchant's catalogue, as styling left it; return its hash."""
        digest = sha256(data).hexdigest()
        self.session.store.put(source_key(merchant, digest), data)
        with transaction(self.session.engine) as connection:
            connection.execute(
                text("""
                INSERT INTO catalog_images (merchant_id, sku, position, image, source, output, pixels, content,
                                            changed_at)
                VALUES (:merchant, :sku, 1, 'a', :source, 'a', 1, gen_random_uuid(), to_timestamp(:seed))
                """),
                {
                    "merchant": merchant,
                    "sku": f"sku-{seed}",
                    "source": STORED + source_key(merchant, digest),
                    "seed": seed,
                },
            )
        return digest

    def queue(self, *, trigger: str = "admin", merchant: int | None = None, **wanted: Any) -> UUID:
        """Queue a run of a few steps, or as wanted otherwise; return its id."""
        overrides = QUICK | wanted.pop("overrides", {})
        spec = RunSpec(**{"steps": 4, "photos": 200, "overrides": overrides, **wanted})
        with transaction(self.session.engine) as connection:
            return queue_run(connection, RunRequest(spec, Trigger(trigger), "a test", "me@here", merchant))

    def hurry(self) -> None:
        """Let runs that were queued as users do take a few small steps."""
        with transaction(self.session.engine) as connection:
            connection.execute(
                text("""
                UPDATE training_runs SET steps = 4, config = jsonb_set(config, '{overrides}', CAST(:quick AS jsonb))
                WHERE state = 'queued'
                """),
                {"quick": json.dumps(QUICK)},
            )

    def run(self, run_id: UUID) -> TrainingRun:
        with transaction(self.session.engine) as connection:
            return get_run(connection, run_id)

    @contextmanager
    def context(self, *, slice_minutes: float = 60) -> Iterator[TrainerContext]:
        """What a trainer has, in this process. With slices of no length each is one step."""
        settings = self.session.settings.model_copy(update={"train_slice_minutes": slice_minutes})
        with open_trainer_context(settings, self.session.engine, self.session.store, self.session.broker) as context:
            context.vgg = self.vgg
            yield context
            self.vgg = context.vgg

    def train(self, run_id: UUID) -> TrainingRun:
        """Work on a run for one long slice; return what became of it."""
        with self.context() as context:
            train_slice(context, run_id)
        return self.run(run_id)

    def states(self, run_id: UUID) -> list[str]:
        """The saved states in the store."""
        return [info.key for info in self.session.store.list(f"training/{run_id}/")]


def shape(run: TrainingRun) -> list[dict[str, float]]:
    """A run's curve without its times."""
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in run.curve]
