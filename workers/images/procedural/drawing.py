"""Line drawings: ink where the photo has edges and shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from workers.images.procedural.tones import Pixels, colour, lightness, require, resized, shrunk_size, strips, to_pixels

WORKING_PX = 1400
"""Longer side at which edges are looked for; the lines are drawn at full size."""


@dataclass(frozen=True)
class LineDrawing:
    """Extended differences of Gaussians (Winnemöller et al. 2012, "XDoG").

    ``width``      of a line, of the longer side.
    ``sharpness``  how much edges count beside tones.
    ``threshold``  lightness, 0 to 1, below which a place is filled with ink.
    ``softness``   how slowly ink fades above that: small is ink, large is pencil.
    """

    ink: str = "#1a1a1a"
    paper: str = "#ffffff"
    width: float = 0.0012
    sharpness: float = 18.0
    threshold: float = 0.6
    softness: float = 0.08

    def __post_init__(self) -> None:
        require(0.0002 <= self.width <= 0.02, "width is 0.0002 to 0.02 of the longer side")
        require(0 <= self.sharpness <= 100, "sharpness is 0 to 100")
        require(0 < self.threshold < 1 and 0 < self.softness <= 1, "threshold and softness are 0 to 1")
        colour(self.ink)
        colour(self.paper)

    def apply(self, photo: Pixels, scale: float) -> Pixels:
        """Draw uint8 (H, W, 3); ``scale`` is how much wider the lines are than usual."""
        height, width = photo.shape[:2]
        tones = resized(lightness(photo).astype(np.float32) / np.float32(255), *shrunk_size(photo, WORKING_PX))
        sigma = max(0.5, self.width * scale * max(tones.shape))
        fine, coarse = (ndimage.gaussian_filter(tones, size, mode="nearest") for size in (sigma, 1.6 * sigma))
        response = resized(fine + self.sharpness * (fine - coarse), width, height)
        ink, paper = (np.array(colour(one), np.float32) for one in (self.ink, self.paper))
        result = np.empty_like(photo)
        for rows in strips(height):
            bare = 1 + np.tanh(np.minimum(response[rows] - self.threshold, 0) / self.softness)
            result[rows] = to_pixels(ink + bare[..., np.newaxis].astype(np.float32) * (paper - ink))
        return result
