"""RGB colour spaces: primaries, white and tone curve."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Matrix: TypeAlias = npt.NDArray[np.float64]
Chromaticity: TypeAlias = tuple[float, float]

_MAX_CONDITION = 1_000.0
_MAX_COORDINATE = 1.1


@dataclass(frozen=True)
class Primaries:
    """CIE xy of red, green, blue and white. Raises ValueError for any that span no gamut."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity

    def __post_init__(self) -> None:
        self.to_xyz()

    def to_xyz(self) -> Matrix:
        """Return the matrix from linear RGB to XYZ, in which white has Y = 1."""
        corners = np.array((self.red, self.green, self.blue, self.white), np.float64)
        if not (np.isfinite(corners).all() and np.abs(corners).max() <= _MAX_COORDINATE and self.white[1] > 0):
            raise ValueError("chromaticities out of range")
        red, green, blue, white = (np.array((x, y, 1 - x - y)) for x, y in corners)
        columns = np.stack((red, green, blue), axis=1)
        if np.linalg.cond(columns) > _MAX_CONDITION:
            raise ValueError("primaries on one line")
        shares = np.linalg.solve(columns, white / white[1])
        if shares.min() <= 0:
            raise ValueError("white outside of the gamut")
        return columns * shares


@dataclass(frozen=True)
class Curve:
    """A tone curve as ICC and H.273 write it: (a·x + b)^g from x = d on, c·x below."""

    g: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0


class HdrCurve(StrEnum):
    """The tone curves of BT.2100, which reach beyond the white of a page."""

    PQ = "pq"
    HLG = "hlg"


@dataclass(frozen=True)
class ColourSpace:
    """What the numbers of an RGB picture mean.

    ``full_range``  whether black and white are 0 and 255, or 16 and 235 as in video.
    """

    primaries: Primaries
    curve: Curve | HdrCurve
    full_range: bool = True


D65: Chromaticity = (0.3127, 0.3290)
BT709 = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
P3_D65 = Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65)
BT2020 = Primaries((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), D65)

SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

SRGB = ColourSpace(BT709, SRGB_CURVE)
ADOBE_RGB = ColourSpace(Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65), Curve(563 / 256))
