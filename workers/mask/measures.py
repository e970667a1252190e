"""Measures of a mask against the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

TOLERANCE = 0.008
"""How far an outline may be off, as a share of the picture's diagonal."""


def iou(found: Pixels, true: Pixels) -> float:
    """Intersection over union of two masks, uint8 of one shape, product from 128: 0 to 1; 1 if both are empty."""
    one, other = found > 127, true > 127
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0


def boundary_f(found: Pixels, true: Pixels) -> float:
    """Boundary F of two masks, uint8 of one shape: 0 to 1; 1 if neither has an outline.

    F. Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016:
    the harmonic mean of the share of the found outline near the true one, and of the true one near the found one.
    """
    one, other = _outline(found > 127), _outline(true > 127)
    if not one.any() or not other.any():
        return 1.0 if one.any() == other.any() else 0.0
    reach = math.ceil(TOLERANCE * math.hypot(*found.shape))
    precision = float((ndimage.distance_transform_edt(~other)[one] <= reach).mean())
    recall = float((ndimage.distance_transform_edt(~one)[other] <= reach).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _outline(mask: Mask) -> Mask:
    """The product's pixels that border on the ground; the picture's own border is no outline."""
    outline: Mask = mask & ~ndimage.binary_erosion(mask, border_value=1)
    return outline


@dataclass(frozen=True)
class ReliabilityBin:
    """Masks of about one confidence: how many, their mean confidence, and the share of them that are right."""

    count: int
    confidence: float
    right: float


def reliability(confidences: Sequence[float], right: Sequence[bool], bins: int = 5) -> list[ReliabilityBin]:
    """Return the bins of a reliability diagram that hold any mask, from the lowest confidence to the highest."""
    stated, truth = np.asarray(confidences, np.float64), np.asarray(right, np.bool_)
    index = np.minimum((stated * bins).astype(int), bins - 1)
    return [
        ReliabilityBin(int((index == i).sum()), float(stated[index == i].mean()), float(truth[index == i].mean()))
        for i in range(bins)
        if (index == i).any()
    ]


def calibration_error(rows: Sequence[ReliabilityBin]) -> float:
    """Expected calibration error (C. Guo et al., ICML 2017): how far confidence and truth lie apart, on average."""
    count = sum(row.count for row in rows)
    return sum(row.count * abs(row.confidence - row.right) for row in rows) / count if count else 0.0
