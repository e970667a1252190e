"""CIELAB from sRGB and back, on rows of pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Planes = tuple[Field, Field, Field]

_TO_XYZ = np.array(
    ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041)),
    np.float32,
)
"""Linear sRGB to XYZ (IEC 61966-2-1)."""

_TO_WHITE = _TO_XYZ / _TO_XYZ.sum(1, keepdims=True)
"""The same relative to the white point D65, so that white is (1, 1, 1)."""

_TO_LINEAR = np.linalg.inv(_TO_WHITE).astype(np.float32)

_LEVELS = np.arange(256, dtype=np.float32) / 255
_DECODED: Field = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)

_STEPS = 8192
"""Steps of the table that encodes linear light. Its square root is the index, so that dark tones get their share."""

_LINEAR = (np.arange(_STEPS + 1, dtype=np.float32) / _STEPS) ** 2
_ENCODED = np.rint(255 * np.where(_LINEAR <= 0.0031308, 12.92 * _LINEAR, 1.055 * _LINEAR ** (1 / 2.4) - 0.055)).astype(
    np.uint8
)


def linear_of(rgb: Pixels) -> Planes:
    """Return linear light of sRGB, uint8 (…, 3), as three planes (…) from 0 to 1."""
    return _DECODED[rgb[..., 0]], _DECODED[rgb[..., 1]], _DECODED[rgb[..., 2]]


def srgb_of(linear: Planes) -> Pixels:
    """Return sRGB, uint8 (…, 3), of linear light, which is clipped to 0 and 1."""
    rgb = np.empty((*linear[0].shape, 3), np.uint8)
    for channel, plane in enumerate(linear):
        rgb[..., channel] = _ENCODED[
            (np.sqrt(np.clip(plane, 0, 1)) * np.float32(_STEPS) + np.float32(0.5)).astype(np.int16)
        ]
    return rgb


def lightness_of(linear: Planes) -> Field:
    """Return CIELAB's L, 0 to 100, of linear light."""
    field: Field = np.float32(116) * _f(luminance_of(linear)) - np.float32(16)
    return field


def luminance_of(linear: Planes) -> Field:
    """Return the luminance of linear light, 0 to 1."""
    return _row(_TO_WHITE[1], linear)


def lab_of(linear: Planes) -> Planes:
    """Return CIELAB under D65 of linear light: L from 0 to 100, a and b about ±128."""
    x, y, z = (_f(_row(row, linear)) for row in _TO_WHITE)
    return np.float32(116) * y - np.float32(16), np.float32(500) * (x - y), np.float32(200) * (y - z)


def linear_of_lab(lab: Planes) -> Planes:
    """Return linear light of CIELAB; beyond 0 and 1 where sRGB does not have the colour."""
    light, a, b = lab
    y = (light + np.float32(16)) * np.float32(1 / 116)
    xyz = (_inverse(y + a * np.float32(1 / 500)), _inverse(y), _inverse(y - b * np.float32(1 / 200)))
    return _row(_TO_LINEAR[0], xyz), _row(_TO_LINEAR[1], xyz), _row(_TO_LINEAR[2], xyz)


def _row(row: Field, planes: Planes) -> Field:
    field: Field = row[0] * planes[0] + row[1] * planes[1] + row[2] * planes[2]
    return field


def _f(value: Field) -> Field:
    slope, least = np.float32((29 / 6) ** 2 / 3), np.float32((6 / 29) ** 3)
    field: Field = np.where(value > least, np.cbrt(value), value * slope + np.float32(4 / 29))
    return field


def _inverse(value: Field) -> Field:
    slope, least = np.float32(3 * (6 / 29) ** 2), np.float32(6 / 29)
    field: Field = np.where(value > least, value * value * value, (value - np.float32(4 / 29)) * slope)
    return field
