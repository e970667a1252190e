"""A grade from a reference picture: its tones and colours, and nothing of its content.

In the manner of Neural Preset (Ke et al. 2023), which takes a picture's colour style apart from its content and
puts it on another. There a network predicts both maps; here the photo that a grade is for counts as normally
exposed and neutral, so one grade serves a whole catalogue and treats each photo alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers.images.grading.grade import MOST_TINT, SLOPES, Grade
from workers.images.grading.oklab import to_oklab
from workers.images.procedural.tones import Pixels, require, shrunk_size

Field = npt.NDArray[np.float32]

MEASURED_PX = 256
"""Longer side at which a reference is measured."""

LEAST_PX = 16
"""Shorter side that a reference must have."""

QUANTILES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
USUAL_TONES = (0.20, 0.33, 0.53, 0.66, 0.78, 0.90, 0.97)
"""Lightness in OKLab at these quantiles of well-exposed photographs."""

USUAL_CHROMA = 0.055
"""Mean chroma in OKLab of well-exposed photographs."""

TONE_SHARE, TINT_SHARE, CHROMA_SHARE = 0.5, 0.55, 0.5
"""How much of the reference's tone, tint and chroma a grade takes over: all of it would recolour the product."""

BANDS = (0.15, 0.4, 0.65, 0.9)
"""Lightness of the bands in which a reference's tint is measured; one reaches 0.2 to both sides."""


def grade_from_picture(rgb: Pixels) -> Grade:
    """Predict a grade from a reference picture, uint8 (H, W, 3). The same picture gives the same grade.

    Raises BadStyle for a picture of less than ``LEAST_PX`` a side.
    """
    require(min(rgb.shape[:2]) >= LEAST_PX, f"the reference must be at least {LEAST_PX} pixels a side")
    small = Image.fromarray(rgb).resize(shrunk_size(rgb, MEASURED_PX), Image.Resampling.BOX)
    lab = to_oklab(np.asarray(small, np.float32) / np.float32(255)).reshape(-1, 3)
    chroma = float(np.hypot(lab[:, 1], lab[:, 2]).mean())
    saturation = float(np.clip((chroma / USUAL_CHROMA) ** CHROMA_SHARE, 0.7, 1.25))
    return Grade(_tone(lab), _tint(lab), round(saturation, 3))


def _tone(lab: Field) -> tuple[tuple[float, float], ...]:
    """Match the usual quantiles of lightness to the reference's, half-way, with a bounded slope."""
    usual = np.array((0, *USUAL_TONES, 1)) * 255
    seen = np.quantile(lab[:, 0], QUANTILES) * 255
    wanted = np.concatenate(([0], usual[1:-1] + TONE_SHARE * (seen - usual[1:-1]), [255]))
    least, most = SLOPES[0] + 0.3, SLOPES[1] - 1.0
    # Slopes are bounded, then scaled so that black and white stay where they are.
    steps = np.clip(np.diff(wanted) / np.diff(usual), least, most) * np.diff(usual)
    out = np.concatenate(([0], np.cumsum(steps))) * (255 / steps.sum())
    return tuple((round(float(x), 2), round(float(y), 2)) for x, y in zip(usual, out, strict=True))


def _tint(lab: Field) -> tuple[tuple[float, float, float], ...]:
    """Measure the mean colour of each band of lightness; bands that the reference lacks take after its whole."""
    whole = lab[:, 1:].mean(axis=0)
    points = []
    for band in BANDS:
        share = np.clip(1 - np.abs(lab[:, 0] - band) / 0.2, 0, 1)
        weight = float(share.sum()) / (0.02 * len(lab))
        mean = (share[:, np.newaxis] * lab[:, 1:]).sum(axis=0) / max(float(share.sum()), 1e-6)
        known = min(1.0, weight)
        a, b = np.clip(TINT_SHARE * (known * mean + (1 - known) * whole), -MOST_TINT / 2, MOST_TINT / 2)
        points.append((round(255 * band, 2), round(float(a), 4), round(float(b), 4)))
    # Black and paper white are where a cast is seen first.
    ends = ((0.0, points[0][1] / 3, points[0][2] / 3), (255.0, points[-1][1] / 3, points[-1][2] / 3))
    return (ends[0], *points, ends[1])
