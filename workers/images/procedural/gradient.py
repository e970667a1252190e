"""Gradient maps: each lightness has a colour, as in duotones, sepia prints and cyanotypes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.images.procedural.tones import Pixels, colour, curve, lightness, longest, noise, require, strips, to_pixels


@dataclass(frozen=True)
class Gradient:
    """Colours from black to white, evenly spaced along the lightness.

    ``colours``  ``#rrggbb``, the darkest first; two make a duotone.
    ``tone``     (in, out) points of a curve that the lightness goes through first.
    ``grain``    deviation of the lightness, of 255; ``grain_size`` is that of a grain, of the longer side.
    """

    colours: tuple[str, ...]
    tone: tuple[tuple[float, float], ...] = ((0, 0), (255, 255))
    grain: float = 0.0
    grain_size: float = 0.001

    def __post_init__(self) -> None:
        require(isinstance(self.colours, tuple) and len(self.colours) >= 2, "a gradient needs two colours or more")
        require(0 <= self.grain <= 64 and 0 < self.grain_size <= 0.05, "grain is up to 64, grain_size up to 0.05")
        curve(self.tone)
        for one in self.colours:
            colour(one)

    def apply(self, photo: Pixels, scale: float) -> Pixels:
        """Map uint8 (H, W, 3); ``scale`` is how much larger grains are than usual."""
        stops = np.array([colour(one) for one in self.colours], np.float32)
        at = np.linspace(0, 255, len(stops))
        mapped = np.stack([np.interp(curve(self.tone), at, stops[:, channel]) for channel in range(3)], axis=1)
        table, values = to_pixels(mapped.astype(np.float32)), lightness(photo)
        if self.grain:
            height, width = values.shape
            grains = noise(height, width, scale * self.grain_size * longest(photo))
            grained = np.empty_like(values)
            for rows in strips(len(values)):
                grained[rows] = to_pixels(values[rows] + self.grain * grains[rows])
            values = grained
        return table[values]
