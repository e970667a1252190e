"""A colour grade: one curve for the lightness, and colours that lights, middle tones and shadows lean towards.

Split toning and a tone curve, as in Lightroom and DaVinci Resolve, in OKLab, compiled to a lookup table. The
curve only rises and every step is smooth, so a grade adds no texture and no edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import ImageFilter
from scipy.interpolate import PchipInterpolator

from workers.images.grading.lut import identity, table_filter, through
from workers.images.grading.oklab import from_oklab, to_oklab
from workers.images.procedural.tones import Pixels, curve, require

Field = npt.NDArray[np.float32]

TABLE_SIZE = 25
"""Colours along each side of the compiled table: within .16 of a level of 255 of a table of 65, on average."""

MOST_TINT = 0.08
"""How far a tint may lie from grey in OKLab: a pale pink or blue paper lies at about 0.03."""

SLOPES = (0.4, 2.5)
"""Least and greatest slope of the tone curve between two of its points."""

SKIN_HUE, SKIN_WIDTH = 0.95, 0.45
"""Hue of skin in OKLab and how far it reaches, in radians; faces of all shades lie between 35° and 75°."""

SKIN_CHROMA = (0.02, 0.16)
"""Least and greatest chroma of skin in OKLab."""

SKIN_SHARE = 0.5
"""How much of a tint skin takes: light changes it too, but less than what surrounds it may."""


@dataclass(frozen=True)
class Grade:
    """Parameters of a grade.

    ``tone``        (in, out) points of the curve of lightness, of 255, rising in both.
    ``tint``        (lightness, a, b) points: what is added to OKLab's a and b at a lightness of 0 to 255.
    ``saturation``  factor of the chroma, 0.3 to 1.5; 1 leaves colours as they are.
    """

    tone: tuple[tuple[float, float], ...] = ((0, 0), (255, 255))
    tint: tuple[tuple[float, float, float], ...] = ()
    saturation: float = 1.0

    def __post_init__(self) -> None:
        require(0.3 <= self.saturation <= 1.5, "saturation is 0.3 to 1.5")
        curve(self.tone)
        points = np.asarray(self.tone, np.float64)
        slopes = np.diff(points[:, 1]) / np.diff(points[:, 0])
        steady = bool((slopes >= SLOPES[0]).all() and (slopes <= SLOPES[1]).all())
        require(steady, f"the tone curve must rise by {SLOPES[0]} to {SLOPES[1]} a level between its points")
        require(all(len(point) == 3 for point in self.tint), "a tint is a lightness, a and b")
        tints = np.asarray(self.tint, np.float64).reshape(-1, 3)
        require(len(tints) != 1 and bool((np.diff(tints[:, 0]) > 0).all()), "the tints must rise in lightness")
        require(bool((np.abs(tints[:, 1:]) <= MOST_TINT).all()), f"a and b of a tint are at most {MOST_TINT}")

    def apply(self, photo: Pixels, scale: float) -> Pixels:
        """Grade uint8 (H, W, 3). ``scale`` changes nothing: a grade has no texture."""
        return through(self._filter, photo)

    @cached_property
    def _filter(self) -> ImageFilter.Color3DLUT:
        return table_filter(self.table(TABLE_SIZE))

    def table(self, size: int) -> Field:
        """Return the grade as a table, float (size, size, size, 3) of 0 to 1, indexed by blue, green, red."""
        return from_oklab(self._graded(to_oklab(identity(size))))

    def _graded(self, lab: Field) -> Field:
        """Grade OKLab colours (…, 3)."""
        lightness = np.clip(lab[..., 0], 0, 1)
        toned = np.interp(255 * lightness, np.arange(256), curve(self.tone)) / 255
        # A paler colour in a deeper tone keeps its vividness, not its distance from grey.
        colours = lab[..., 1:] * self.saturation
        if self.tint:
            tints = np.asarray(self.tint, np.float64)
            at = np.clip(255 * lightness, tints[0, 0], tints[-1, 0])
            added = PchipInterpolator(tints[:, 0], tints[:, 1:])(at)
            colours = colours + added * (1 - (1 - SKIN_SHARE) * _skin(lab))[..., np.newaxis]
        graded: Field = np.concatenate((toned[..., np.newaxis], colours), axis=-1).astype(np.float32)
        return graded


def _skin(lab: Field) -> Field:
    """How much OKLab colours (…, 3) look like skin: 0 to 1, without a step."""
    chroma, hue = np.hypot(lab[..., 1], lab[..., 2]), np.arctan2(lab[..., 2], lab[..., 1])
    near = np.clip(1 - np.abs(hue - SKIN_HUE) / SKIN_WIDTH, 0, 1)
    least, most = SKIN_CHROMA
    coloured = np.clip((chroma - least) / least, 0, 1) * np.clip((most - chroma) / least + 1, 0, 1)
    skin: Field = (near * near * (3 - 2 * near) * coloured).astype(np.float32)
    return skin
