"""Framing: which part of a photo a channel's file shows, and how large the file is.

A frame is a window in the photo's pixels. It may reach beyond the photo, where the ground goes on. The product's box
decides the window, so that products of a catalogue have one size in it, whatever the photographer left around them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from shared.presets import Preset, Size

Pixels = npt.NDArray[np.uint8]

PRODUCT_FROM = 128
"""Weight of the product mask from which a pixel counts as product."""

LEAST_PART = 0.01
"""Parts of the product smaller than this share of its largest are specks, and do not widen the box."""

MARGIN = 0.98
"""Share of the canvas that a product takes which does not fit into the photo's own frame."""


@dataclass(frozen=True)
class Box:
    """A rectangle in the photo's pixels; right and bottom are outside."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels of the photo."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels of the photo."""
        return self.bottom - self.top


@dataclass(frozen=True)
class Frame:
    """Window in the photo's pixels, and the size of the file in pixels."""

    window: Box
    width: int
    height: int

    @property
    def scale(self) -> float:
        """Pixels of the file for one of the photo; above 1 the photo is enlarged."""
        return max(self.width / self.window.width, self.height / self.window.height)

    def fill(self, product: Box | None) -> float | None:
        """Return the longer extent of the product as a share of the frame; None where no product is known."""
        if product is None:
            return None
        across = min(product.right, self.window.right) - max(product.left, self.window.left)
        down = min(product.bottom, self.window.bottom) - max(product.top, self.window.top)
        return max(0.0, across / self.window.width, down / self.window.height)


def product_box(weight: Pixels, width: int, height: int) -> Box | None:
    """Return the box of a product mask, uint8 (h, w), in pixels of the photo of ``width`` × ``height``.

    None where the mask is empty.
    """
    parts, count = ndimage.label(weight >= PRODUCT_FROM)
    if count == 0:
        return None
    sizes = np.bincount(parts.ravel())[1:]
    kept = np.flatnonzero(sizes >= LEAST_PART * sizes.max())
    found = ndimage.find_objects(parts)  # once: beads on white are ten thousand parts
    boxes = [found[index] for index in kept]
    x, y = width / weight.shape[1], height / weight.shape[0]
    return Box(
        left=x * min(columns.start for _, columns in boxes),
        top=y * min(rows.start for rows, _ in boxes),
        right=x * max(columns.stop for _, columns in boxes),
        bottom=y * max(rows.stop for rows, _ in boxes),
    )


def frame(width: int, height: int, preset: Preset, size: Size, product: Box | None, *, plain: bool) -> Frame:
    """Choose the frame of a photo of ``width`` × ``height`` pixels for one size of a preset.

    ``product`` is the product's box, if known; ``plain`` says that the ground around it can go on beyond the photo.
    """
    photo = Box(0.0, 0.0, float(width), float(height))
    if preset.fit == "whole" or size.height is None:
        fits = size.width / width if size.height is None else min(size.width / width, size.height / height)
        scale = _scale(fits, preset, width, height)
        return Frame(photo, max(1, round(width * scale)), max(1, round(height * scale)))
    aspect = size.width / size.height
    if product is not None and plain:
        window = _around(product, aspect, preset.fill)
    elif preset.fit == "pad":
        window = _around(photo, aspect, 1.0)
    else:
        window = _inside(photo, aspect, product)
    scale = _scale(size.width / window.width, preset, window.width, window.height)
    across = min(max(1, round(window.width * scale)), size.width)
    down = min(max(1, round(across / aspect)), size.height)
    if scale == 1:  # whole pixels, so that they stay as they are
        window = Box(window.left, window.top, window.left + across, window.top + down)
    return Frame(window, across, down)


def _scale(fits: float, preset: Preset, width: float, height: float) -> float:
    """Return the scale to the wanted size, ``fits``; where that enlarges, only as far as the channel's rules need."""
    if fits <= 1:
        return fits
    short, long = sorted((width, height))
    needed = max((preset.min_side or 0) / short, (preset.min_long_side or 0) / long)
    return min(fits, max(1.0, needed * 1.001), preset.enlarge)


def _around(box: Box, aspect: float, fill: float) -> Box:
    """Return the window of a shape, width / height, in whose middle a box fills the given share of one side."""
    width = max(box.width, box.height * aspect) / fill
    return _at((box.left + box.right) / 2, (box.top + box.bottom) / 2, width, width / aspect)


def _inside(photo: Box, aspect: float, product: Box | None) -> Box:
    """Return the largest window of a shape within a photo, with the product in it, and near its middle.

    A product that fits into no such window is shown whole: the window then reaches beyond the photo.
    """
    width = min(photo.width, photo.height * aspect)
    height = width / aspect
    if product is None:
        return _at(photo.width / 2, photo.height / 2, width, height)
    if product.width > width * MARGIN or product.height > height * MARGIN:
        return _around(product, aspect, MARGIN)
    window = _at((product.left + product.right) / 2, (product.top + product.bottom) / 2, width, height)
    across = min(max(window.left, 0), photo.width - width) - window.left
    down = min(max(window.top, 0), photo.height - height) - window.top
    return Box(window.left + across, window.top + down, window.right + across, window.bottom + down)


def _at(x: float, y: float, width: float, height: float) -> Box:
    """Return a window by its middle. Its corner lies on the photo's grid, so that what is not scaled stays sharp."""
    left, top = float(round(x - width / 2)), float(round(y - height / 2))
    return Box(left, top, left + width, top + height)
