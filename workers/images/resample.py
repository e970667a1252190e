"""Draw a frame of a picture: cropped, its ground continued where it reaches beyond, and resized in linear light.

Light adds up linearly, sRGB values do not: averaged as they are, fine bright texture turns too dark (Blinn 1998,
"A ghost in a snowstorm"). The kernel is Lanczos with three lobes, which keeps sharpness; colour under partial alpha
is weighted by the alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.framing import Box, Frame

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

LOBES = 3
"""Reach of the kernel, in pixels of the smaller picture."""

SMOOTHING, EVEN = 12, 2.0
"""Part of a line's length over which its light is smoothed, and the levels by which ground may differ from ground."""

LEAST_DEPTH, FADING = 8, 0.15
"""Depth in pixels from which a band of ground is mirrored; and the distance over which a shadow at the edge fades, as
a share of the edge's length."""

_STEPS = 2**16 - 1


def draw(rgb: Pixels, alpha: Pixels | None, frame: Frame, product: Box | None) -> tuple[Pixels, Pixels | None]:
    """Draw a frame of a picture, uint8 (H, W, 3) and its alpha (H, W): uint8 of the frame's size.

    Beyond the picture the ground between ``product`` and the edge is mirrored; with no product known it is white.
    Beyond a picture with alpha there is nothing: alpha 0.
    """
    place = _Place.of(frame, rgb.shape[1], rgb.shape[0])
    inside, beyond = place.inside, place.beyond
    across, down = frame.width / frame.window.width, frame.height / frame.window.height
    drawn, cover = _resized(rgb, alpha, inside, place.size)
    if cover is not None:
        cover = np.pad(cover, beyond)
    if product is None or alpha is not None:
        return np.pad(drawn, (*beyond, (0, 0)), constant_values=255), cover
    drawn = _continued(
        drawn, 0, beyond[0], (down * (product.top - inside.top), down * (inside.bottom - product.bottom))
    )
    sides = (across * (product.left - inside.left), across * (inside.right - product.right))
    return _continued(drawn, 1, beyond[1], sides), cover


def draw_mask(weight: Pixels, frame: Frame) -> Pixels:
    """Draw a frame of a mask, uint8 (H, W): uint8 of the frame's size, 0 beyond the mask."""
    place = _Place.of(frame, weight.shape[1], weight.shape[0])
    box = (place.inside.left, place.inside.top, place.inside.right, place.inside.bottom)
    drawn = np.asarray(Image.fromarray(weight).resize(place.size, Image.Resampling.BICUBIC, box=box))
    return np.pad(drawn, place.beyond)


@dataclass(frozen=True)
class _Place:
    """Where a picture lies in a frame: the part ``inside`` the window, its ``size`` in the frame, and the rest.

    ``beyond`` counts the frame's pixels (before, after), of its rows and its columns.
    """

    inside: Box
    size: tuple[int, int]
    beyond: tuple[tuple[int, int], tuple[int, int]]

    @classmethod
    def of(cls, frame: Frame, width: int, height: int) -> Self:
        """Return the place of a picture of ``width`` × ``height`` pixels."""
        window = frame.window
        left, right = max(window.left, 0.0), min(window.right, float(width))
        top, bottom = max(window.top, 0.0), min(window.bottom, float(height))
        x = _span(left - window.left, right - window.left, frame.width / window.width, frame.width)
        y = _span(top - window.top, bottom - window.top, frame.height / window.height, frame.height)
        beyond = ((y[0], frame.height - y[1]), (x[0], frame.width - x[1]))
        return cls(Box(left, top, right, bottom), (x[1] - x[0], y[1] - y[0]), beyond)


def _span(start: float, end: float, scale: float, most: int) -> tuple[int, int]:
    """Return the pixels of the frame that a span of the window takes: at least one."""
    first = min(round(start * scale), most - 1)
    return first, max(first + 1, min(round(end * scale), most))


def _continued(part: Pixels, axis: int, by: tuple[int, int], bands: tuple[float, float]) -> Pixels:
    """Continue a picture along an axis by mirroring the ``bands`` of ground at its two ends, as often as it takes.

    Where a shadow reaches the edge, so that there is no such band, the edge goes on and the shadow fades out of it.
    """
    if by == (0, 0):
        return part
    size = part.shape[axis]
    ends = []
    for at_end, (count, band) in enumerate(zip(by, bands, strict=True)):
        lines = np.moveaxis(part, axis, 0)[:: -1 if at_end else 1][: max(int(band), 1)]
        depth = _even_depth(lines)
        if depth < LEAST_DEPTH and count:
            faded = _faded(lines[:depth], count)
            ends.append(np.moveaxis(faded if at_end else faded[::-1], 0, axis))
            continue
        # …2 1 0 | 0 1 2…: the distance from the edge goes up and down between 0 and the band's depth.
        steps = np.arange(count) % (2 * depth)
        distance = np.where(steps < depth, steps, 2 * depth - 1 - steps)
        ends.append(np.take(part, size - 1 - distance if at_end else distance[::-1], axis=axis))
    return np.concatenate((ends[0], part, ends[1]), axis=axis)


def _even_depth(band: Pixels) -> int:
    """Return how many lines of a band, uint8 (lines, length, 3), are ground like its first one: at least 1.

    Shadows end it, since a mirrored shadow would be one of nothing. What counts is the light along a line, smoothed,
    so that grain and strokes do not.
    """
    smooth = ndimage.uniform_filter1d(band.mean(axis=2, dtype=np.float32), max(1, band.shape[1] // SMOOTHING), axis=1)
    uneven = np.abs(smooth - smooth[0]).max(axis=1) > EVEN
    return int(np.argmax(uneven)) if uneven.any() else len(band)


def _faded(edge: Pixels, count: int) -> Pixels:
    """Continue the lines at an edge, uint8 (lines, length, 3), by ``count`` in which what is darker fades out."""
    length = edge.shape[1]
    line = ndimage.uniform_filter1d(edge.mean(axis=0, dtype=np.float32), max(1, length // 40), axis=0, mode="nearest")
    wide = max(1, length // 2)
    ground = ndimage.percentile_filter(line, 80, size=(wide, 1), mode="nearest")
    ground = ndimage.uniform_filter1d(ground, max(1, wide // 2), axis=0, mode="nearest")
    gone = np.clip((np.arange(count, dtype=np.float32) + 1) / (FADING * length), 0, 1)[:, np.newaxis, np.newaxis]
    gone = gone * gone * (3 - 2 * gone)
    lines: Pixels = np.rint(line + gone * (ground - line)).astype(np.uint8)
    return lines


def _resized(rgb: Pixels, alpha: Pixels | None, inside: Box, size: tuple[int, int]) -> tuple[Pixels, Pixels | None]:
    """Resize what lies ``inside`` a box of uint8 (H, W, 3) to ``size`` = (width, height), channel by channel."""
    height, width = rgb.shape[:2]
    reach = LOBES * max(1.0, inside.width / size[0], inside.height / size[1]) + 1
    first = max(0, int(inside.left - reach)), max(0, int(inside.top - reach))
    last = min(width, int(inside.right + reach) + 1), min(height, int(inside.bottom + reach) + 1)
    near = np.s_[first[1] : last[1], first[0] : last[0]]
    box = (inside.left - first[0], inside.top - first[1], inside.right - first[0], inside.bottom - first[1])
    is_exact = box[2] - box[0] == size[0] and box[3] - box[1] == size[1]
    if is_exact and box[0].is_integer() and box[1].is_integer():
        exact = np.s_[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])]
        return rgb[near][exact], None if alpha is None else alpha[near][exact]

    def channel(field: Field) -> Field:
        return np.asarray(Image.fromarray(field).resize(size, Image.Resampling.LANCZOS, box=box))

    result = np.empty((size[1], size[0], 3), np.uint8)
    if alpha is None:
        for index in range(3):
            result[..., index] = _levels(channel(_to_light()[rgb[near][..., index]]))
        return result, None
    cover = np.divide(alpha[near], 255, dtype=np.float32)
    small_cover = channel(cover)  # beyond 0 and 1 where the kernel overshoots, as the weighted colours are
    for index in range(3):
        weighted = channel(_to_light()[rgb[near][..., index]] * cover)
        result[..., index] = _levels(np.divide(weighted, np.maximum(small_cover, 1 / 255), dtype=np.float32))
    result[small_cover < 0.5 / 255] = 255
    return result, np.rint(np.clip(small_cover, 0, 1) * 255).astype(np.uint8)


def _levels(light: Field) -> Pixels:
    """Return the levels of sRGB, uint8, of linear light."""
    levels: Pixels = _to_srgb()[np.rint(np.clip(light, 0, 1) * _STEPS).astype(np.uint16)]
    return levels


@cache
def _to_light() -> Field:
    """Linear light of the 256 levels of sRGB (IEC 61966-2-1)."""
    level = np.arange(256, dtype=np.float64) / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@cache
def _to_srgb() -> Pixels:
    """Levels of sRGB of 65,536 steps of linear light."""
    light = np.arange(_STEPS + 1, dtype=np.float64) / _STEPS
    level = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    levels: Pixels = np.rint(255 * level).astype(np.uint8)
    return levels
