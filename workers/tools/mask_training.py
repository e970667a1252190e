"""Train the segmentation network from files, for ``atelier train-mask``, resumably and without any service."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from shared.errors import UsageError
from workers.mask.learning.backgrounds import bare_parts, load_scenes
from workers.mask.learning.config import MaskTrainConfig
from workers.mask.learning.cutouts import load_cutouts
from workers.mask.learning.training import MaskData, MaskRun, train_masks
from workers.mask.network_file import read_network, write_network
from workers.mask.segmenter import Segmenter

FEWEST = 4
"""Cut-outs and scenes for training, at least; and one of each to validate with."""

REPORT_EVERY = 10

BARE_SHARE = 0.03
"""Share of a part of a scene up to which the network to start from may see a product in it if it counts as bare."""

PARTS_OF_A_SCENE = 8
"""Random parts of each scene that are tried."""


@dataclass(frozen=True)
class MaskTrainingFiles:
    """Where a training run reads and writes.

    ``trunk`` holds MobileNetV2's weights on ImageNet, a safetensors file with torchvision's names; ``start`` is a
    network of an earlier run, to go on from.
    """

    products: list[Path]
    scenes: list[Path]
    trunk: Path | None
    start: Path | None
    config: Path | None
    out: Path


def train_masks_from_files(
    files: MaskTrainingFiles, deadline_seconds: float, tell: Callable[[str], None]
) -> tuple[int, int, bool]:
    """Train, or continue an interrupted run.

    Returns the steps done, the steps of the whole run, and whether it is finished.
    The network is then ``files.out / "network.safetensors"``. Raises UsageError if something is missing.
    """
    for folder in (*files.products, *files.scenes):
        if not folder.is_dir():
            raise UsageError(f"no folder {folder}: --products and --scenes name folders of pictures")
    try:
        files.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to --out {files.out}: {error.strerror}") from error
    config = MaskTrainConfig.load(files.config) if files.config else MaskTrainConfig()
    data = _data(files, config, tell)
    state = files.out / "state.pt"
    run = MaskRun(config, None if files.trunk is None or state.exists() else _trunk(files.trunk))
    if files.start is not None and not state.exists():
        run.start_from(read_network(files.start))
    if state.exists():
        run.restore(state)
        tell(f"resuming at step {run.step}")

    def report(step: int, loss: float, overlap: float | None) -> None:
        if step % REPORT_EVERY == 0 or overlap is not None:
            shown = "" if overlap is None else f", validation IoU {overlap:.3f}"
            tell(f"step {step} of {config.steps}: loss {loss:.3f}{shown}")
        if overlap is not None:
            with (files.out / "log.jsonl").open("a") as log:
                log.write(json.dumps({"step": step, "loss": loss, "iou": overlap}) + "\n")

    finished = train_masks(run, data, files.out, deadline_seconds=deadline_seconds, report=report)
    write_network(files.out / "network.safetensors", run.averaged, config.as_json() | {"step": run.step})
    return run.step, config.steps, finished


def _data(files: MaskTrainingFiles, config: MaskTrainConfig, tell: Callable[[str], None]) -> MaskData:
    """Read cut-outs and scenes of both sides."""
    sides = []
    for side, fewest in (("train", FEWEST), ("validation", 1)):
        cutouts = load_cutouts(files.products, side, config.held_out)
        scenes = load_scenes(files.scenes, side)
        if files.start is not None:
            scenes = _bare(scenes, Segmenter(files.start), config.seed)
        tell(f"{side}: {len(cutouts)} products with a sure mask, {len(scenes)} scenes")
        if min(len(cutouts), len(scenes)) < fewest:
            raise UsageError(
                f"{len(cutouts)} products with a sure mask and {len(scenes)} scenes for {side}, {fewest} of each are "
                "needed: add cut-outs, products on a plain ground, or scenes"
            )
        sides.append((cutouts, scenes))
    return MaskData.of(sides[0], sides[1], config.px)


def _bare(scenes: list[Image.Image], segmenter: Segmenter, seed: int) -> list[Image.Image]:
    """Return parts of the scenes in which the network to start from sees no product."""

    def is_bare(part: Image.Image) -> bool:
        return float((segmenter.segment(np.asarray(part)).chance > 0.5).mean()) < BARE_SHARE

    return bare_parts(scenes, is_bare, PARTS_OF_A_SCENE, np.random.default_rng(seed))


def _trunk(path: Path) -> dict[str, Tensor]:
    """Read MobileNetV2's weights. Raises UsageError if the file is missing or foreign."""
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"--trunk {path}: not a safetensors file that can be read: {error}") from error
    return {name.removeprefix("features."): weight for name, weight in weights.items() if _is_used(name)}


def _is_used(name: str) -> bool:
    """Whether a weight belongs to the 18 blocks that the network has; the classifier's head does not."""
    block = name.removeprefix("features.").split(".")[0]
    return block.isdigit() and int(block) < 18
