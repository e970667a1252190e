"""HDR pictures (BT.2100 PQ and HLG) as SDR."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workers.images.colour.space import SRGB, SRGB_CURVE, ColourSpace, HdrCurve, Matrix

WHITE_NITS = 203.0
"""HDR reference white of BT.2408: diffuse white, such as paper, which becomes the white of sRGB."""

_HLG_PEAK_NITS, _HLG_SYSTEM_GAMMA = 1000.0, 1.2
_STEPS = 65_536
_BLOCK_PIXELS = 2**18


def tone_map(pixels: npt.NDArray[np.uint8], space: ColourSpace) -> npt.NDArray[np.uint8]:
    """Return uint8 (height, width, 3) pixels of a PQ or HLG space in sRGB.

    What is at most as bright as reference white keeps its colour, and what is brighter (glints, lamps) becomes
    white: a curve with a softer shoulder would turn the white ground of a product photo grey.
    """
    levels = _linear_levels(space.curve)
    to_srgb = np.linalg.solve(SRGB.primaries.to_xyz(), space.primaries.to_xyz()).astype(np.float32)
    luminance = space.primaries.to_xyz()[1].astype(np.float32)
    flat = pixels.reshape(-1, 3)
    result = np.empty_like(flat)
    for start in range(0, len(flat), _BLOCK_PIXELS):
        block = slice(start, start + _BLOCK_PIXELS)
        light = levels[flat[block]]
        if space.curve is HdrCurve.HLG:
            light *= _system_gain(light @ luminance)[:, np.newaxis]
        result[block] = _SRGB_LEVELS[_steps(light @ to_srgb.T)]
    return result.reshape(pixels.shape)


def pq_nits(signal: Matrix) -> Matrix:
    """Luminance of a PQ signal of 0 to 1 (SMPTE ST 2084)."""
    root = signal ** (32 / 2523)
    ratio = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
    nits: Matrix = 10_000 * ratio ** (16_384 / 2610)
    return nits


def hlg_scene_light(signal: Matrix) -> Matrix:
    """Light of the scene, 0 to 1, of an HLG signal of 0 to 1 (BT.2100, inverse of the OETF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _linear_levels(curve: object) -> npt.NDArray[np.float32]:
    """Light of each 8-bit level: of the display in units of white for PQ, of the scene for HLG."""
    signal = np.arange(256) / 255
    light = pq_nits(signal) / WHITE_NITS if curve is HdrCurve.PQ else hlg_scene_light(signal)
    return light.astype(np.float32)


def _system_gain(scene_luminance: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What the OOTF of HLG multiplies the scene's light by, to get the display's in units of white."""
    return (scene_luminance ** (_HLG_SYSTEM_GAMMA - 1) * (_HLG_PEAK_NITS / WHITE_NITS)).astype(np.float32)


def _steps(light: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return np.rint(np.clip(light, 0, 1) * (_STEPS - 1)).astype(np.intp)


def _srgb_levels() -> npt.NDArray[np.uint8]:
    curve, light = SRGB_CURVE, np.arange(_STEPS) / (_STEPS - 1)
    signal = np.where(light < curve.c * curve.d, light / curve.c, (light ** (1 / curve.g) - curve.b) / curve.a)
    levels: npt.NDArray[np.uint8] = np.rint(signal * 255).astype(np.uint8)
    return levels


_SRGB_LEVELS = _srgb_levels()
