"""How likely a product mask is right, from what can be seen of it without knowing the truth."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from workers.mask.segmenter import Segmentation

Pixels = npt.NDArray[np.uint8]

SMALLEST, LARGEST = 0.004, 0.97
"""Shares of the picture below and above which a mask is no product's, but a speck or the whole scene."""

MODEL: tuple[float, ...] = (-1.95, -0.52, 1.07, 2.93, 0.14, 0.58, 0.09, 0.27)
"""Logistic regression: offset, then a factor for each field of Evidence, in order; fitted by ``atelier evaluate-mask``
on the validation side (``workers.mask.learning.calibration``)."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for a mask; each from 0 to 1.

    ``plainness``  how plain the ground is.
    ``contrast``   how far the outline stands out from a plain ground.
    ``certainty``  how far from undecided the network is, over the product.
    ``agreement``  of what the network found in the photo and in its mirror image.
    ``agreed``     IoU of the plain way and the network.
    ``contact``    share of the picture's border that the product touches.
    ``area``       share of the picture that the product fills.
    """

    plainness: float
    contrast: float
    certainty: float
    agreement: float
    agreed: float
    contact: float
    area: float

    @classmethod
    def of(
        cls,
        weight: Pixels,
        plainness: float,
        contrast: float,
        found: Segmentation | None = None,
        agreed: float = 0.0,
    ) -> Evidence:
        """Gather it for a mask, uint8 (h, w), of any size."""
        border = np.concatenate((weight[0], weight[-1], weight[:, 0], weight[:, -1]))
        certainty = 0.0
        if found is not None:
            # Half-way chances, summed over the picture, relative to the product's area.
            chance = found.chance.astype(np.float64)
            undecided = float((4 * chance * (1 - chance)).sum())
            certainty = 1 - min(1.0, undecided / max(1.0, float(chance.sum())))
        return cls(
            plainness,
            min(1.0, contrast / 20),
            certainty,
            found.agreement if found else 0.0,
            agreed,
            float((border > 127).mean()),
            float(weight.mean()) / 255,
        )


def confidence(evidence: Evidence) -> float:
    """Return the chance, 0 to 1, that a mask is right."""
    if not SMALLEST < evidence.area < LARGEST:
        return 0.0
    if evidence.certainty == 0:  # the plain way alone
        return evidence.plainness * evidence.contrast
    return 1 / (1 + math.exp(-score(evidence)))


def score(evidence: Evidence) -> float:
    """Return the log-odds of a mask that the network had a part in."""
    offset, *factors = MODEL
    return offset + float(np.dot(factors, astuple(evidence)))
