"""The white background of a product shot: found, so that it can stay white.

Instance normalisation turns flat white grey-beige with halos, and a large white background crowds the
product into the dark end of the style's colours. So the background is found in the photo itself, taken
out of the generator's statistics (``workers.model.generator.AreaMoments``), and left as it was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

WHITE_FROM, WHITE_TO = 218.0, 232.0
"""Least channel value of the border's median at which a background begins to be, and fully is, white."""

FALL_FROM, FALL_TO = 4.0, 15.0
"""How much darker than the background a pixel may be to be wholly, and at all, a part of it."""

BORDER_FROM, BORDER_TO = 0.35, 0.65
"""Share of the border that must be background for a picture to begin to be, and fully be, a shot on white."""

HOLE_SHARE = 0.7
"""An enclosed bright area (between handle and cup) is background if so much of it is as bright as the background."""


def paint_weight(rgb: Pixels) -> Pixels:
    """How much of the paint each pixel takes: uint8 (H, W, 3) → uint8 (H, W), 0 on a white background.

    The background is what is about as bright as the border and hangs together with it, or is a hole
    seen through the product; bright parts of the product itself are painted. A picture whose border
    is not white, a scene, is painted everywhere: 255.
    """
    least: Field = ndimage.uniform_filter(rgb.min(axis=2).astype(np.float32), 3)
    border = np.concatenate((least[0], least[-1], least[:, 0], least[:, -1]))
    level = float(np.median(border))
    similar = float((np.abs(border - level) <= FALL_TO).mean())
    on_white = float(_ramp(level, WHITE_FROM, WHITE_TO) * _ramp(similar, BORDER_FROM, BORDER_TO))
    if on_white == 0:
        return np.full(rgb.shape[:2], 255, np.uint8)
    kept = on_white * _ramp(least, level - FALL_TO, level - FALL_FROM) * _background(least, level)
    weight: Pixels = 255 - np.rint(255 * kept).astype(np.uint8)
    return weight


def _background(least: Field, level: float) -> npt.NDArray[np.bool_]:
    """Which pixels belong to a bright area that touches the border or is a hole: bool (H, W)."""
    areas, count = ndimage.label(least >= level - FALL_TO)
    at_border = np.concatenate((areas[0], areas[-1], areas[:, 0], areas[:, -1]))
    sizes = np.bincount(areas.ravel(), minlength=count + 1)
    as_bright = np.bincount(areas.ravel(), weights=(least >= level - FALL_FROM).ravel(), minlength=count + 1)
    found = as_bright >= HOLE_SHARE * sizes
    found[at_border] = True
    found[0] = False
    kept: npt.NDArray[np.bool_] = found[areas]
    return kept


def _ramp(value: Field | float, start: float, end: float) -> Field | float:
    """Smoothstep: 0 up to ``start``, 1 from ``end`` on, without a kink in between."""
    t = np.clip((value - start) / (end - start), 0.0, 1.0)
    smooth: Field | float = t * t * (3 - 2 * t)
    return smooth
