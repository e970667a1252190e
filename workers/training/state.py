"""Save and restore the state of a training run: safetensors in the object store, with their hashes in the run's row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from shared.database import transaction
from shared.errors import InvalidInput, MissingObject, UsageError
from shared.models.training import leases
from shared.models.training.runs import Saved, TrainingRun
from workers.model.learning.run import Run
from workers.training.context import TrainerContext
from workers.training.preparation import SliceInput

log = structlog.get_logger()


class DamagedState(InvalidInput):
    """No saved state of a run is intact."""

    code = "damaged_checkpoint"


@contextmanager
def resumed(context: TrainerContext, prepared: SliceInput) -> Iterator[tuple[Run, Path]]:
    """Yield a run in memory, as it was last saved, and the folder of its state and log.

    Later log entries are dropped, since their steps are repeated. If a saved state is missing or damaged, the
    previous one is used. Raises DamagedState if none is left, LeaseLost.
    """
    run = prepared.run
    with TemporaryDirectory(prefix="atelier-") as name:
        folder = Path(name)
        learner = _restored(context, prepared, folder)
        kept = [entry for entry in run.curve if entry["step"] <= learner.step]
        (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in kept))
        with transaction(context.engine) as connection:
            leases.reset_progress(connection, run, learner.step)
        yield learner, folder


def _restored(context: TrainerContext, prepared: SliceInput, folder: Path) -> Run:
    for saved in reversed(prepared.run.saved):
        learner = Run(prepared.config, prepared.start, context.device)
        try:
            data = context.store.get(saved.key)
            if hashlib.sha256(data).hexdigest() != saved.sha256:
                raise UsageError(f"{saved.key} does not match its hash")
            state = folder / "restored.safetensors"
            state.write_bytes(data)
            learner.restore(state)
        except (MissingObject, UsageError) as error:
            log.warning("training_state_damaged", run=str(prepared.run.id), step=saved.step, error=str(error))
            continue
        return learner
    if prepared.run.saved:
        raise DamagedState("the saved states of the run are missing or damaged: queue another run")
    return Run(prepared.config, prepared.start, context.device)


def save(context: TrainerContext, run: TrainingRun, learner: Run, folder: Path) -> None:
    """Save a state, record it, and release the run for its next slice; delete older states. Raises LeaseLost."""
    path = folder / "saved.safetensors"
    learner.save(path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    saved = Saved(f"{prefix(run)}{learner.step:08}-{digest[:16]}.safetensors", digest, learner.step)
    context.store.put(saved.key, data)
    with transaction(context.engine) as connection:
        old = leases.record_state(connection, run, saved)
    for key in old:
        context.store.delete(key)


def remove_all(context: TrainerContext, run: TrainingRun) -> None:
    """Delete the saved states of a run that is over."""
    for info in list(context.store.list(prefix(run))):
        context.store.delete(info.key)


def prefix(run: TrainingRun) -> str:
    """Return the prefix of the objects of a run."""
    return f"training/{run.id}/"
