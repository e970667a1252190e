"""Halftone screens: inks printed as dots whose size is the tone, each at an angle of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from workers.images.procedural.tones import Field, Pixels, colour, longest, require, strips, to_pixels

SMALLEST_CELL_PX = 3.0


@dataclass(frozen=True)
class Ink:
    """A printing ink: its colour, and the angle of its screen in degrees."""

    colour: str
    angle: float


@dataclass(frozen=True)
class Halftone:
    """A print of round dots in four inks, or in black alone.

    ``cell``   distance of the dots, of the longer side.
    ``inks``   cyan, magenta, yellow and black, or one.
    ``paper``  ``#rrggbb``.
    ``black``  how much of what is grey in the three colours black ink takes over, 0 to 1.
    ``tint``   how much of the picture is printed without a screen, 0 to 1, so that lettering can be read.
    """

    cell: float
    inks: tuple[Ink, ...]
    paper: str = "#ffffff"
    black: float = 0.6
    tint: float = 0.0

    def __post_init__(self) -> None:
        require(0.001 <= self.cell <= 0.1, "cell is 0.001 to 0.1 of the longer side")
        require(len(self.inks) in (1, 4), "a halftone has one ink or four")
        require(0 <= self.black <= 1 and 0 <= self.tint <= 1, "black and tint are 0 to 1")
        angles = [ink.angle for ink in self.inks]
        require(all(isinstance(angle, int | float) and abs(angle) <= 360 for angle in angles), "angles are -360 to 360")
        for one in (self.paper, *(ink.colour for ink in self.inks)):
            colour(one)

    def apply(self, photo: Pixels, scale: float) -> Pixels:
        """Print uint8 (H, W, 3); ``scale`` is how much larger the dots are than usual."""
        cell = max(SMALLEST_CELL_PX, self.cell * scale * longest(photo))
        # What is finer than a dot would only fray it.
        smooth = np.asarray(Image.fromarray(photo).filter(ImageFilter.BoxBlur(cell / 6)))
        height, width = photo.shape[:2]
        waves = [_waves(height, width, cell, ink.angle) for ink in self.inks]
        absorbed = [1 - np.array(colour(ink.colour), np.float32) / 255 for ink in self.inks]
        paper = np.array(colour(self.paper), np.float32)
        result = np.empty_like(photo)
        for rows in strips(height):
            left = np.broadcast_to(paper, (*smooth[rows].shape[:2], 3)).copy()
            for wave, absorbs, cover in zip(waves, absorbed, self._covers(smooth[rows]), strict=True):
                left *= 1 - _dots(wave, rows, cover, cell)[..., np.newaxis] * absorbs
            tinted = (photo[rows] * paper / np.float32(255) - left) * np.float32(self.tint)
            result[rows] = to_pixels(left + tinted)
        return result

    def _covers(self, photo: Pixels) -> list[Pixels]:
        """How much of the paper each ink covers, uint8 (h, w) each."""
        if len(self.inks) == 1:
            return [255 - np.asarray(Image.fromarray(photo).convert("L"))]
        inks = 255 - photo
        black = (self.black * inks.min(axis=2)).astype(np.uint8)
        return [*(inks[..., channel] - black for channel in range(3)), black]


Waves = tuple[Field, Field, Field, Field]


def _waves(height: int, width: int, cell: float, angle: float) -> Waves:
    """The screen as waves along y and x: cos(a + b) = cos a · cos b − sin a · sin b needs no cosine per pixel.

    Two crossed waves, (height, 1) and (1, width) for each, their sines stacked before their cosines.
    """
    turn, pitch = np.deg2rad(angle), 2 * np.pi / cell
    y, x = np.arange(height, dtype=np.float64)[:, None] * pitch, np.arange(width, dtype=np.float64)[None] * pitch
    along, across = (y * np.sin(turn), x * np.cos(turn)), (y * np.cos(turn), -x * np.sin(turn))
    fields = [np.stack((np.sin(phase), np.cos(phase))).astype(np.float32) for phase in (*along, *across)]
    return fields[0], fields[1], fields[2], fields[3]


def _dots(waves: Waves, rows: slice, cover: Pixels, cell: float) -> Field:
    """How much ink lies on each pixel, 0 to 1, with edges about a pixel wide."""
    y1, x1, y2, x2 = waves
    spot = (y1[1, rows] * x1[1] - y1[0, rows] * x1[0] + y2[1, rows] * x2[1] - y2[0, rows] * x2[0]) / 2
    ink: Field = np.clip(0.5 + (spot - _thresholds()[cover]) * (cell / np.pi), 0, 1)
    return ink


@lru_cache(1)
def _thresholds() -> Field:
    """The level above which the spot function lies on a given share, of 255, of the paper."""
    wave = np.cos(np.linspace(0, 2 * np.pi, 256, endpoint=False))
    spots = np.sort(((wave[:, None] + wave[None]) / 2).ravel())[::-1]
    levels: Field = spots[np.rint(np.linspace(0, 1, 256) * (len(spots) - 1)).astype(int)].astype(np.float32)
    levels[0], levels[-1] = 2, -2  # bare paper, and full ink
    return levels
