"""The config of a retraining: from a checkpoint that paints well already, on other photos or for other styles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from shared.errors import UsageError
from workers.model.checkpoint import Checkpoint
from workers.model.config import Stage, TrainConfig
from workers.model.learning.row_learning import row_config

VALIDATIONS = 20
"""In a run: enough for a curve, few enough to be kept in a row."""

_STAGE = {field.name for field in fields(Stage)} - {"steps"}
_FIXED = {"styles", "stages", "architecture", "depth"}


def retraining_config(
    start: Checkpoint,
    steps: int,
    depth: str,
    *,
    half: bool,
    overrides: Mapping[str, Any],
    usual: Path,
) -> TrainConfig:
    """Return how to go on from a checkpoint: with rows as a new style is learnt, with the trunk as ``usual`` ends.

    ``usual`` is the JSON of a TrainConfig, ``overrides`` fields of TrainConfig, and of its one Stage, that are to be
    others; ``half`` is for devices that are quicker with bfloat16. Raises UsageError.
    """
    if depth == "style":
        base = replace(row_config(start.styles[0], start.architecture, steps, half=half), styles=start.styles)
    else:
        known = json.loads(usual.read_text())
        last = known["stages"][-1] | {"steps": steps}
        precision = "bfloat16" if half else "float32"
        base = TrainConfig.from_json(known | {"stages": [last], "depth": depth, "precision": precision})
        base = replace(base, styles=start.styles, architecture=start.architecture)
    base = replace(base, validate_every=max(1, steps // VALIDATIONS))
    if wrong := sorted(overrides.keys() & _FIXED):
        raise UsageError(f"{wrong[0]} of a retraining cannot be chosen in its config")
    stage = {name: value for name, value in overrides.items() if name in _STAGE}
    rest = {name: value for name, value in overrides.items() if name not in _STAGE}
    plain = base.to_json()
    return TrainConfig.from_json(plain | rest | {"stages": [plain["stages"][0] | stage]})
