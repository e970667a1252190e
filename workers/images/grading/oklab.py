"""OKLab, a colour space whose distances are about even to the eye (Ottosson 2020, "A perceptual color space")."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float64,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float64,
)


def to_linear(encoded: Field) -> Field:
    """Decode sRGB of 0 to 1 to linear light, any shape (IEC 61966-2-1)."""
    linear: Field = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def from_linear(linear: Field) -> Field:
    """Encode linear light as sRGB of 0 to 1, clipped, any shape."""
    light = np.clip(linear, 0, 1)
    encoded: Field = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return encoded.astype(np.float32)


def to_oklab(rgb: Field) -> Field:
    """Convert sRGB of 0 to 1 to OKLab, both (…, 3): lightness 0 to 1, a and b about -0.3 to 0.3."""
    lab: Field = (np.cbrt(to_linear(rgb) @ _TO_CONES.T) @ _TO_LAB.T).astype(np.float32)
    return lab


def to_linear_rgb(lab: Field) -> Field:
    """Convert OKLab to linear light in sRGB's primaries, both (…, 3). Colours outside the gamut leave 0 to 1."""
    cones = (lab @ np.linalg.inv(_TO_LAB).T) ** 3
    linear: Field = (cones @ np.linalg.inv(_TO_CONES).T).astype(np.float32)
    return linear


def from_oklab(lab: Field) -> Field:
    """Convert OKLab (…, 3) to sRGB of 0 to 1.

    What lies outside the gamut keeps its lightness and hue and loses chroma, found in 12 bisections, as in
    CSS Color 4, "gamut mapping".
    """
    lab = lab.copy()
    lab[..., 0] = np.clip(lab[..., 0], 0, 1)
    low, high = np.zeros(lab.shape[:-1], np.float32), np.ones(lab.shape[:-1], np.float32)
    fits = _in_gamut(lab)
    for _ in range(12):
        middle = (low + high) * np.float32(0.5)
        inside = _in_gamut(_with_chroma(lab, middle))
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return from_linear(to_linear_rgb(_with_chroma(lab, np.where(fits, np.float32(1), low))))


def _with_chroma(lab: Field, share: Field) -> Field:
    scaled: Field = np.concatenate((lab[..., :1], lab[..., 1:] * share[..., np.newaxis]), axis=-1)
    return scaled


def _in_gamut(lab: Field) -> npt.NDArray[np.bool_]:
    linear = to_linear_rgb(lab)
    inside: npt.NDArray[np.bool_] = np.all((linear > -1e-4) & (linear < 1 + 1e-4), axis=-1)
    return inside
