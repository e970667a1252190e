"""A decoded source image, whatever it was before."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from workers.images.metadata.credits import Credits


@dataclass(frozen=True)
class Photo:
    """Pixels as the generator wants them: 8 bits, sRGB, upright.

    ``rgb``            uint8 (height, width, 3); white wherever ``alpha`` is 0.
    ``alpha``          uint8 (height, width), or None where every pixel is opaque.
    ``source_format``  ``jpeg``, ``png``, ``webp``, ``tiff``, ``gif``, ``avif`` or ``heif``.
    ``credits``        who made it and whose it is, as the file says.
    ``digital_source_type``  how it came about, as the file says by the IPTC's terms; empty if it does not.
    """

    rgb: npt.NDArray[np.uint8]
    alpha: npt.NDArray[np.uint8] | None
    source_format: str
    credits: Credits = field(default_factory=Credits)
    digital_source_type: str = ""

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.rgb.shape[0])
