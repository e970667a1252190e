"""The guided filter: fits a coarse mask to the edges of the photo.

K. He, J. Sun and X. Tang, "Guided Image Filtering", TPAMI 35(6), 2013, with a colour guide; the coefficients are
found at the mask's size and enlarged (K. He and J. Sun, "Fast Guided Filter", arXiv:1505.00996).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

COARSE_PX = 512
"""Longer side at most at which the coefficients are found."""

STRIP_ROWS = 64
"""Rows that are computed at a time, so that what lies in between stays in the processor's cache."""


def guided_filter(weight: Pixels, rgb: Pixels, *, radius: int, epsilon: float) -> Pixels:
    """Filter ``weight``, uint8 (h, w), by the edges of ``rgb``, uint8 (H, W, 3): uint8 (H, W).

    Around each pixel the result is a linear function of the photo's three channels. ``radius`` is half the side
    of the windows, in pixels of the mask, which is taken ``COARSE_PX`` long at most; ``epsilon``, on a scale where
    white is 1, is the variance up to which the photo counts as flat.
    """
    height, width = rgb.shape[:2]
    factor = min(1.0, COARSE_PX / max(weight.shape))
    size = max(1, round(weight.shape[1] * factor)), max(1, round(weight.shape[0] * factor))
    coarse = np.asarray(Image.fromarray(weight).resize(size, Image.Resampling.BOX))
    slopes, offset = _coefficients(coarse, resize(rgb, size, "bicubic"), radius, epsilon)
    enlarged = [
        np.asarray(Image.fromarray(field).resize((width, height), Image.Resampling.BILINEAR))
        for field in (*slopes, offset)
    ]
    result = np.empty((height, width), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        mixed = enlarged[3][rows].copy()
        for channel in range(3):
            mixed += enlarged[channel][rows] * rgb[rows, :, channel]
        result[rows] = np.clip(np.rint(mixed), 0, 255)
    return result


def _coefficients(weight: Pixels, rgb: Pixels, radius: int, epsilon: float) -> tuple[list[Field], Field]:
    """Return the slope of each channel and the offset at each pixel: three float (h, w), and one.

    Their sum with the channels, 0 to 255, is the weight, 0 to 255.
    """

    def mean(field: Field) -> Field:
        smooth: Field = ndimage.uniform_filter(field, 2 * radius + 1, mode="nearest")
        return smooth

    guide = [rgb[..., channel].astype(np.float32) for channel in range(3)]
    target = weight.astype(np.float32)
    means, mean_target = [mean(channel) for channel in guide], mean(target)
    # The covariance of the channels is symmetric: six different terms of nine.
    terms = {(i, j): mean(guide[i] * guide[j]) - means[i] * means[j] for i in range(3) for j in range(i, 3)}
    for i in range(3):
        terms[i, i] += np.float32(epsilon * 255**2)
    shared = [mean(channel * target) - centre * mean_target for channel, centre in zip(guide, means, strict=True)]
    slopes = _solve(terms, shared)
    offset = mean_target - sum(slope * centre for slope, centre in zip(slopes, means, strict=True))
    return [mean(slope) for slope in slopes], mean(offset)


def _solve(terms: dict[tuple[int, int], Field], right: list[Field]) -> list[Field]:
    """Solve a symmetric system of three equations at each pixel, by cofactors."""
    a, b, c, d, e, f = (terms[key] for key in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    dd, ee, ff = a * f - c * c, b * c - a * e, a * d - b * b
    inverse: Field = np.float32(1) / (a * aa + b * bb + c * cc)
    x, y, z = right
    return [
        np.asarray((one * x + two * y + three * z) * inverse, np.float32)
        for one, two, three in ((aa, bb, cc), (bb, dd, ee), (cc, ee, ff))
    ]
