"""Posters: smooth areas of a few flat tones, in clear colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from workers.images.procedural.tones import Field, Pixels, require, resized, shrunk_size, strips, to_pixels

WORKING_PX = 1100
"""Longer side at which the picture is smoothed; its tones are cut at full size, so that their edges are sharp."""

PASSES = 2
EVENNESS = 4.0
"""How much less a place counts for each doubling of its variance, in powers of two."""


@dataclass(frozen=True)
class Poster:
    """A picture smoothed without losing its edges (Kuwahara et al. 1976), then cut into flat tones.

    ``levels``      tones from black to white.
    ``smoothing``   reach of the smoothing, of the longer side.
    ``saturation``  of the colours: 1 leaves them as they are.
    """

    levels: int = 6
    smoothing: float = 0.003
    saturation: float = 1.3

    def __post_init__(self) -> None:
        require(isinstance(self.levels, int) and 2 <= self.levels <= 32, "levels are 2 to 32")
        require(0.0005 <= self.smoothing <= 0.05, "smoothing is 0.0005 to 0.05 of the longer side")
        require(0 <= self.saturation <= 3, "saturation is 0 to 3")

    def apply(self, photo: Pixels, scale: float) -> Pixels:
        """Print uint8 (H, W, 3); ``scale`` is how much farther the smoothing reaches than usual."""
        height, width = photo.shape[:2]
        size = shrunk_size(photo, WORKING_PX)
        small = [resized(photo[..., channel].astype(np.float32), *size) for channel in range(3)]
        reach = max(1, round(self.smoothing * scale * max(small[0].shape)))
        for _ in range(PASSES):
            small = _kuwahara(small, reach)
        planes = [resized(plane, width, height) for plane in small]
        result = np.empty_like(photo)
        step = 255 / (self.levels - 1)
        for rows in strips(height):
            red, green, blue = (plane[rows] for plane in planes)
            grey = np.maximum(0.299 * red + 0.587 * green + 0.114 * blue, 1)
            flat = _cut(grey / step) * step
            for channel, plane in enumerate((red, green, blue)):
                # A tone keeps its colour: channels move by what the lightness moves, apart by the saturation.
                result[rows, :, channel] = to_pixels(flat + self.saturation * (plane - grey))
        return result


def _cut(tone: Field) -> Field:
    """Round to whole numbers, with a short slope between two so that edges are not jagged."""
    below = np.floor(tone)
    part = tone - below
    flat: Field = below + np.clip((part - 0.5) * 12 + 0.5, 0, 1)
    return flat


def _kuwahara(planes: list[Field], reach: int) -> list[Field]:
    """Replace each pixel by a mean of the four places diagonally beside it, the even ones above all.

    With soft weights and Gaussian windows, as Papari et al. 2007 have it, no squares show.
    """
    sigma, step = reach / 2, max(1, round(0.6 * reach))
    grey = 0.299 * planes[0] + 0.587 * planes[1] + 0.114 * planes[2]
    means = [ndimage.gaussian_filter(plane, sigma, mode="nearest", truncate=2) for plane in (*planes, grey)]
    squares = ndimage.gaussian_filter(grey * grey, sigma, mode="nearest", truncate=2)
    evenness = (np.maximum(squares - means[3] ** 2, 0) + 1) ** np.float32(-EVENNESS)
    total, sums = np.zeros_like(grey), [np.zeros_like(grey) for _ in planes]
    for y in (-step, step):
        for x in (-step, step):
            weight = _moved(evenness, y, x)
            total += weight
            for plane, mean in zip(sums, means[:3], strict=True):
                plane += weight * _moved(mean, y, x)
    return [plane / total for plane in sums]


def _moved(field: Field, down: int, right: int) -> Field:
    """Take each value from so many pixels down and to the right; the border repeats."""
    height, width = field.shape
    y, x = (np.clip(np.arange(side) + by, 0, side - 1) for side, by in ((height, down), (width, right)))
    moved: Field = field[y][:, x]
    return moved
