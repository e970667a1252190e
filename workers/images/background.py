"""The white background of a product shot: found, so that it can stay white.

Instance normalisation turns flat white grey-beige with halos, and a large white background crowds the
product into the dark end of the style's colours. So the background is found in the photo itself, taken
out of the generator's statistics (``workers.model.generator.AreaMoments``), and left as it was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from workers.images.border import at_border, border_of

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

WHITE_FROM, WHITE_TO = 218.0, 232.0
"""Least channel value of the border's median at which a background begins to be, and fully is, white."""

FALL_FROM, FALL_TO = 4.0, 15.0
"""How much darker than the background a pixel may be to be wholly, and at all, a part of it."""

DRIFT = 30.0
"""How far the background may drift below the border's median: paper is rarely lit evenly into its corners."""

SAMPLES = 64
"""Samples along the shorter side in which the drift is looked for."""

QUADRATIC = ([0, 0, 1, 0, 1, 2], [0, 1, 0, 2, 1, 0])
"""Powers of y and of x in the terms of a quadratic surface."""

BORDER_FROM, BORDER_TO = 0.35, 0.65
"""Share of the border that must be background for a picture to begin to be, and fully be, a shot on white."""

HOLE_SHARE = 0.7
"""An enclosed bright area (between handle and cup) is background if so much of it is as bright as the background."""


def paint_weight(rgb: Pixels) -> Pixels:
    """How much of the paint each pixel takes: uint8 (H, W, 3) → uint8 (H, W), 0 on a white background.

    The background is what is about as bright as the border, lets its brightness drift slowly, and hangs
    together with the border, or is a hole seen through the product; bright parts of the product itself
    are painted. A picture whose border is not white, a scene, is painted everywhere: 255.
    """
    # Channel by channel: a reduction over a last axis of three takes ten times as long.
    darkest = np.minimum(np.minimum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
    least: Field = ndimage.uniform_filter(darkest.astype(np.float32), 3)
    level = float(np.median(border_of(least)))
    white = float(ramp(level, WHITE_FROM, WHITE_TO))
    if white == 0:
        return np.full(rgb.shape[:2], 255, np.uint8)
    above = least - _brightness(least, level)
    similar = float((np.abs(border_of(above)) <= FALL_TO).mean())
    on_white = white * float(ramp(similar, BORDER_FROM, BORDER_TO))
    kept = on_white * ramp(above, -FALL_TO, -FALL_FROM) * _background(above)
    weight: Pixels = 255 - np.rint(255 * kept).astype(np.uint8)
    return weight


def _brightness(least: Field, level: float) -> Field:
    """How bright the background is, or would be behind the product: float (H, W), at most ``DRIFT`` below ``level``.

    A quadratic surface through what hangs together with the border, fitted again as that grows. Against
    one level for the whole picture a corner in half-light would be painted, in the blocks of the photo's JPEG.
    """
    powers = [np.vander(np.arange(size, dtype=np.float32) / size, 3, increasing=True) for size in least.shape]
    step = max(1, min(least.shape) // SAMPLES)
    y, x = (power[::step] for power in powers)
    terms = np.stack([np.outer(y[:, i], x[:, j]) for i, j in zip(*QUADRATIC, strict=True)], axis=-1)
    seen = least[::step, ::step]
    surface = np.zeros((3, 3), np.float32)
    for _ in range(3):
        areas, count = ndimage.label(np.abs(seen - level - y @ surface @ x.T) <= FALL_TO / 2)
        background = at_border(areas, count)[areas]
        known = terms[background]
        # What little is added to the diagonal lets a border of few samples stay level.
        squares = known.T @ known + 0.01 * np.eye(len(QUADRATIC[0]), dtype=np.float32)
        surface[QUADRATIC] = np.linalg.solve(squares, known.T @ (seen[background] - level))
    drift: Field = np.clip(powers[0] @ surface @ powers[1].T, -DRIFT, 0)
    return level + drift


def _background(above: Field) -> npt.NDArray[np.bool_]:
    """Which pixels belong to a bright area that touches the border or is a hole: bool (H, W).

    ``above`` is how much brighter than the background a pixel is.
    """
    areas, count = ndimage.label(above >= -FALL_TO)
    sizes = np.bincount(areas.ravel(), minlength=count + 1)
    as_bright = np.bincount(areas[above >= -FALL_FROM], minlength=count + 1)
    found = at_border(areas, count) | (as_bright >= HOLE_SHARE * sizes)
    found[0] = False
    kept: npt.NDArray[np.bool_] = found[areas]
    return kept


def ramp(value: Field | float, start: float, end: float) -> Field | float:
    """Smoothstep: 0 up to ``start``, 1 from ``end`` on, without a kink in between."""
    t = np.clip((value - start) * (1 / (end - start)), 0.0, 1.0)
    smooth: Field | float = t * t * (3 - 2 * t)
    return smooth
