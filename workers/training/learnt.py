"""Install what a training run has learnt: a candidate with its vectors, or vectors alone."""

from __future__ import annotations

import structlog

from shared.database import Lock, lock, transaction
from shared.errors import InvalidInput
from shared.merchants.merchants import require_kept
from shared.models.styles import add_style_row
from shared.models.training import leases
from shared.models.training.requests import Depth
from shared.models.training.runs import TrainingRun, get_run
from shared.models.versions import add_candidate, put_row
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.training.context import TrainerContext

log = structlog.get_logger()


class NotLearnt(InvalidInput):
    """The vectors are no better than those at the start of the run."""

    code = "not_learnt"


def install(context: TrainerContext, run: TrainingRun, step: int, checkpoint: Checkpoint) -> TrainingRun:
    """Store a checkpoint and record it, in one transaction; return the run's new state.

    A new trunk becomes a candidate, to be compared. Vectors for the starting trunk end the run: they apply to
    everything that begins from now on, and must be better than before. Objects are put before the rows that name
    them. Raises NotLearnt, BadCheckpoint or LeaseLost; then nothing visible changes.
    """
    for row in checkpoint.rows.values():
        row_from_bytes(row)  # it must fit into half precision
    rows_only = run.depth == Depth.STYLE
    if rows_only:
        _require_better(checkpoint)
    trunk = checkpoint.trunk_sha256
    key = f"models/{trunk}.safetensors"
    if not rows_only:
        context.store.put(key, checkpoint.trunk)
    rows = {name: put_row(context.store, name, data) for name, data in checkpoint.rows.items()}
    provenance = dict(checkpoint.provenance) | {"training_run": str(run.id), "reason": run.reason}
    with transaction(context.engine) as connection:
        lock(connection, Lock.INSTALL)
        for style_id, name in zip(run.style_ids, run.styles, strict=True):
            add_style_row(connection, style_id, trunk, rows[name])
        if run.merchant_id is not None:
            require_kept(connection, run.merchant_id)
        if rows_only:
            leases.finish(connection, run, step)
        else:
            leases.record_candidate(connection, run, step, add_candidate(connection, trunk, key, provenance))
        run = get_run(connection, run.id)
    log.info("training_run_installed", run=str(run.id), candidate=run.candidate_id)
    return run


def _require_better(checkpoint: Checkpoint) -> None:
    curve = checkpoint.provenance["curves"]
    before, after = curve[0]["validation"], curve[-1]["validation"]
    if not after < before:
        raise NotLearnt(
            f"the style vectors did not improve: the loss on held-out photos went from {before:.3f} to {after:.3f}; "
            "try more steps or other pictures"
        )
