"""Three-dimensional lookup tables of colours, as grading programs exchange them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from workers.images.procedural.tones import BadStyle, Pixels, require

Field = npt.NDArray[np.float32]

SMALLEST, LARGEST = 2, 33
"""Colours along each side of a table."""

LEVELS = 65_535
"""What 1.0 is in a stored table."""


@dataclass(frozen=True)
class ColourTable:
    """Lookup table from colours to colours, interpolated between its entries.

    ``size``    entries along each side, 2 to 33.
    ``values``  base64 of size³ × 3 little-endian uint16, 65,535 being 1.0 in sRGB; red changes fastest, then green.
    """

    size: int
    values: str

    def __post_init__(self) -> None:
        ok = isinstance(self.size, int) and SMALLEST <= self.size <= LARGEST
        require(ok, f"the size of a colour table is a whole number from {SMALLEST} to {LARGEST}")
        require(isinstance(self.values, str), "the values of a colour table are base64 text")
        try:
            data = base64.b64decode(self.values, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadStyle(f"the values of the colour table are not base64: {error}") from error
        expected = self.size**3 * 6
        require(len(data) == expected, f"the colour table has {len(data)} bytes instead of {expected}")

    @classmethod
    def of(cls, table: Field) -> ColourTable:
        """Build from float (size, size, size, 3) of 0 to 1, indexed by blue, green, red."""
        levels = np.rint(np.clip(table, 0, 1) * LEVELS).astype("<u2")
        return cls(len(table), base64.b64encode(levels.tobytes()).decode())

    def apply(self, photo: Pixels, scale: float) -> Pixels:
        """Map uint8 (H, W, 3). ``scale`` changes nothing: a table has no texture."""
        return through(self._filter, photo)

    @cached_property
    def _filter(self) -> ImageFilter.Color3DLUT:
        levels = np.frombuffer(base64.b64decode(self.values), "<u2")
        return table_filter((levels.astype(np.float32) * np.float32(1 / LEVELS)).reshape(*[self.size] * 3, 3))


def identity(size: int) -> Field:
    """Return the table that changes nothing: float (size, size, size, 3), indexed by blue, green, red."""
    steps = np.linspace(0, 1, size, dtype=np.float32)
    return np.array([(r, g, b) for b, g, r in product(steps, repeat=3)], np.float32).reshape(size, size, size, 3)


def table_filter(table: Field) -> ImageFilter.Color3DLUT:
    """Return Pillow's filter for a table, float (size, size, size, 3) of 0 to 1, indexed by blue, green, red."""
    return ImageFilter.Color3DLUT(len(table), table.reshape(-1).tolist())


def through(table: ImageFilter.Color3DLUT, photo: Pixels) -> Pixels:
    """Send uint8 (H, W, 3) through a table, with trilinear interpolation."""
    return np.array(Image.fromarray(photo).filter(table))
