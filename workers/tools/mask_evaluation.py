"""Measure product masks, for ``atelier evaluate-mask``, without any service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shared.errors import UsageError
from workers.images.photo import Photo
from workers.mask.confidence import Evidence
from workers.mask.learning.backgrounds import load_scenes, scene_part, texture
from workers.mask.learning.calibration import fit_confidence
from workers.mask.learning.composition import Example, as_it_is, lay
from workers.mask.learning.cutouts import Cutout, load_cutouts
from workers.mask.measures import boundary_f, calibration_error, iou, reliability
from workers.mask.network_file import BUILT_IN
from workers.mask.product_mask import ProductMask, find_product, refine
from workers.mask.segmenter import Segmenter
from workers.tools.mask_files import mask_of

PX = 640
"""Side of the pictures: above the network's size, so that the refinement counts, and about a cut-out's own."""

SEED = 17

RIGHT_IOU = 0.9
"""IoU from which a mask counts as right, for the confidence."""

BARE_SHARE = 0.02
"""Share of a scene up to which the network may see a product in it if it counts as bare."""

WITHOUT_PRODUCT = 8
"""One picture in so many shows a texture alone, whose mask never counts as right."""


@dataclass(frozen=True)
class MaskEvaluationFiles:
    """Where an evaluation reads and writes."""

    products: list[Path]
    scenes: list[Path]
    network: Path | None
    out: Path | None
    side: str
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """One picture, its mask and how good it is; ``group`` is where the picture comes from."""

    group: str
    example: Example
    mask: ProductMask
    fine: np.ndarray[Any, np.dtype[np.uint8]]
    iou: float
    boundary_f: float
    seconds: float
    evidence: Evidence

    @property
    def is_right(self) -> bool:
        """Whether the mask is right; never, where there is no product."""
        return self.iou >= RIGHT_IOU and self.group != "no product"


def evaluate_masks(files: MaskEvaluationFiles, pictures: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure masks on ``pictures`` composed pictures, and on the products' own grounds. Returns the document.

    Raises UsageError if something is missing.
    """
    for folder in (*files.products, *files.scenes):
        if not folder.is_dir():
            raise UsageError(f"no folder {folder}: --products and --scenes name folders of pictures")
    if files.side not in ("test", "validation"):
        raise UsageError(f"--side {files.side}: test or validation")
    cutouts = load_cutouts(files.products, files.side, files.held_out)
    scenes = load_scenes(files.scenes, files.side)
    if not cutouts or not scenes:
        raise UsageError(f"{len(cutouts)} products and {len(scenes)} scenes on the side {files.side}: add some")
    tell(f"{len(cutouts)} products, {len(scenes)} scenes")
    segmenter = Segmenter(files.network or BUILT_IN)
    rows = []
    for group, example in examples(cutouts, scenes, files.held_out, pictures, segmenter):
        rows.append(measure(group, example, segmenter))
        if len(rows) % 10 == 0:
            tell(f"{len(rows)} pictures")
    document = figures(rows) | {"products": len(cutouts), "scenes": len(scenes), "px": PX, "side": files.side}
    if files.out is not None:
        _write(files.out, document, rows)
    return document


def examples(
    cutouts: Sequence[Cutout],
    scenes: Sequence[Image.Image],
    held_out: Sequence[str],
    pictures: int,
    segmenter: Segmenter,
) -> list[tuple[str, Example]]:
    """Compose the pictures, always the same: (group, picture). A product comes as often over scenes as any other.

    A scene that shows a product of its own has no single truth, so such pictures are a group apart: those where the
    network finds something in the scene alone.
    """
    rng = np.random.default_rng(SEED)
    made = []
    for number in range(pictures):
        scene = scene_part(scenes[number % len(scenes)], PX, rng)
        if number % WITHOUT_PRODUCT == WITHOUT_PRODUCT - 1:
            made.append(("no product", Example(np.array(texture(PX, rng)), np.zeros((PX, PX), np.uint8))))
            continue
        cutout = cutouts[number % len(cutouts)]
        rgb, mask = lay(scene, Image.new("L", (PX, PX)), cutout, rng)
        rendered = cutout.name.startswith(tuple(held_out)) if held_out else False
        busy = float((segmenter.segment(np.asarray(scene)).chance > 0.5).mean()) > BARE_SHARE
        group = ("rendered" if rendered else "packshots") + (", busy scene" if busy else "")
        made.append((group, Example(np.array(rgb), np.asarray(mask))))
    for cutout in cutouts:
        if cutout.own:
            rgb, mask = as_it_is(cutout, PX, rng)
            rendered = cutout.name.startswith(tuple(held_out)) if held_out else False
            group = "rendered, own ground" if rendered else "packshots, own ground"
            made.append((group, Example(np.array(rgb), np.asarray(mask))))
    return made


def measure(group: str, example: Example, segmenter: Segmenter) -> Measured:
    """Find and refine the mask of a picture, and compare it with the truth."""
    photo = Photo(example.rgb, None, "png")
    began = time.thread_time()
    mask = mask_of(photo, segmenter)
    fine = refine(mask, photo.rgb)
    seconds = time.thread_time() - began
    evidence = find_product(photo.rgb, segmenter)[1]
    edge = boundary_f(fine, example.mask)
    return Measured(group, example, mask, fine, iou(fine, example.mask), edge, seconds, evidence)


def figures(rows: Sequence[Measured]) -> dict[str, Any]:
    """Summarise: means and medians for each group, the reliability of the confidence, and the time."""
    groups = {}
    for group in dict.fromkeys(row.group for row in rows):
        of_group = [row for row in rows if row.group == group]
        ious, edges = [row.iou for row in of_group], [row.boundary_f for row in of_group]
        groups[group] = {
            "pictures": len(of_group),
            "iou": float(np.mean(ious)),
            "iou_median": float(np.median(ious)),
            "boundary_f": float(np.mean(edges)),
            "boundary_f_median": float(np.median(edges)),
            "right": float(np.mean([row.is_right for row in of_group])),
            "confidence": float(np.mean([row.mask.confidence for row in of_group])),
        }
    known = [row for row in rows if "busy" not in row.group]
    bins = reliability([row.mask.confidence for row in known], [row.is_right for row in known])
    return {
        "groups": groups,
        "reliability": [asdict(row) for row in bins],
        "calibration_error": calibration_error(bins),
        "fitted_confidence": fit_confidence([row.evidence for row in known], [row.is_right for row in known]),
        "core_seconds": float(np.median([row.seconds for row in rows])),
    }


def mask_table(document: dict[str, Any]) -> list[str]:
    """Return the figures as lines."""
    lines = [f"{'':24}{'pictures':>9}{'IoU':>8}{'median':>8}{'edge F':>8}{'median':>8}{'right':>8}{'conf.':>8}"]
    for name, group in document["groups"].items():
        values = (group[key] for key in ("iou", "iou_median", "boundary_f", "boundary_f_median", "right", "confidence"))
        lines.append(f"{name:24}{group['pictures']:>9}" + "".join(f"{value:>8.3f}" for value in values))
    for row in document["reliability"]:
        lines.append(f"confidence {row['confidence']:.2f}: {row['right']:.2f} of {row['count']} are right")
    lines.append(f"calibration error {document['calibration_error']:.3f}")
    lines.append(f"{document['core_seconds']:.2f} core-seconds a picture of {document['px']} px")
    return lines


def _write(out: Path, document: dict[str, Any], rows: Sequence[Measured]) -> None:
    """Write evaluation.json, and a sheet of the pictures, the worst first."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.json").write_text(json.dumps(document, indent=1) + "\n")
        mask_sheet(sorted(rows, key=lambda row: row.iou)).save(out / "sheet.jpg", quality=88)
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}") from error


def mask_sheet(rows: Sequence[Measured], *, columns: int = 6, px: int = 150) -> Image.Image:
    """Draw each picture beside itself with all but the found product in magenta."""
    sheet = Image.new("RGB", (2 * px * columns, px * -(-len(rows) // columns)), "white")
    for number, row in enumerate(rows):
        share = row.fine[..., np.newaxis] / 255
        shown = row.example.rgb * share + np.array((230, 0, 200)) * (1 - share)
        left, top = number % columns * 2 * px, number // columns * px
        for i, pixels in enumerate((row.example.rgb, shown.astype(np.uint8))):
            sheet.paste(Image.fromarray(pixels).resize((px, px), Image.Resampling.BILINEAR), (left + i * px, top))
    return sheet
