"""Film: a curve for each channel, some saturation, and grain that is strongest in the middle tones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.images.procedural.tones import Pixels, curve, lightness, longest, noise, require, strips, to_pixels

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Film:
    """What a film and its paper make of a scene.

    ``red``, ``green``, ``blue``  (in, out) points of the channels' curves, of 255.
    ``saturation``                1 leaves the colours as they are, 0 is black and white.
    ``grain``                     deviation of the middle tones, of 255; ``grain_size`` of the longer side.
    """

    red: Points
    green: Points
    blue: Points
    saturation: float = 1.0
    grain: float = 0.0
    grain_size: float = 0.001

    def __post_init__(self) -> None:
        require(0 <= self.saturation <= 3, "saturation is 0 to 3")
        require(0 <= self.grain <= 64 and 0 < self.grain_size <= 0.05, "grain is up to 64, grain_size up to 0.05")
        for points in (self.red, self.green, self.blue):
            curve(points)

    def apply(self, photo: Pixels, scale: float) -> Pixels:
        """Develop uint8 (H, W, 3); ``scale`` is how much larger grains are than usual."""
        curves = [curve(points) for points in (self.red, self.green, self.blue)]
        values, result = lightness(photo), np.empty_like(photo)
        height, width = values.shape
        grains = noise(height, width, scale * self.grain_size * longest(photo)) if self.grain else None
        # In the middle tones a film's grain shows, in black and white there is none.
        shown = 2 * self.grain * np.sqrt(np.linspace(0, 1, 256) * np.linspace(1, 0, 256)).astype(np.float32)
        for rows in strips(len(photo)):
            grey = values[rows].astype(np.float32)
            added = 0 if grains is None else grains[rows] * shown[values[rows]]
            for channel, developed in enumerate(curves):
                mixed = grey + self.saturation * (photo[rows, :, channel] - grey)
                result[rows, :, channel] = to_pixels(developed[to_pixels(mixed)] + added)
        return result
