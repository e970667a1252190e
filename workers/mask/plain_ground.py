"""The product mask of a photo on a plain ground, white, grey or coloured, lit evenly or not.

The ground is what has the border's colour, lets it drift slowly, and hangs together with the border, or is seen
through a hole. Dividing the photo by the ground's own brightness turns every ground into a white one, on which a
shadow is as grey as the paper (``workers.images.shadow``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from workers.images.background import ramp
from workers.images.border import at_border, border_of
from workers.images.resize import resize
from workers.images.shadow import shadow

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

WORKING_PX = 448
"""Longer side at which the ground is looked for."""

LEAST_NOISE, MOST_NOISE = 1.0, 6.0
"""Deviation, in levels of 255, that a ground is taken to have at least and at most."""

NEAR, FAR = 2.5, 6.0
"""Deviations within which a pixel is wholly the ground, and beyond which it is none at all."""

PLAIN_FROM, PLAIN_TO = 0.45, 0.75
"""Share of the border that must lie on the ground's surface for a ground to begin to be, and to be, plain."""

DARKEST_LIT = 48.0
"""Brightness of the ground below which no shadow is seen on it."""

TINTED_FROM = 3.0
"""Levels by which one channel of a pale, tinted product lies below the ground's; a shadow then darkens all three."""

LEAST_DARKENED = 0.3
"""How far a shadow darkens its lightest channel, as a share of its darkest."""

PALE = 0.8, 1.05
"""Lightness, relative to the ground, of what is about as light as the ground."""

SHADE_TINT, SHADE_DEPTH = 0.08, (0.25, 0.985)
"""How far apart the channels of what may be a shadow lie, and how light it is, relative to the ground."""

POWERS = ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0))
"""Powers of y and x in the terms of a quadratic surface."""

SAMPLES = 64
"""Samples along the longer side by which the surface is fitted."""


@dataclass(frozen=True)
class PlainGround:
    """What was found on a plain ground.

    ``product``     uint8 (h, w), 0 on the ground and its shadows, at the working size of this module.
    ``shade``       bool (h, w): where the picture has the ground's hue and is darker, as a shadow is, or a product.
    ``pale``        bool (h, w): where the picture is about as light as the ground.
    ``slope``       float (h, w): how much the colours change from a pixel to the next, in levels.
    ``distance``    float (h, w): how far each pixel's colour lies from the ground's, in deviations of the ground.
    ``plainness``   0 to 1: how plain the border is; 0 for a scene.
    ``contrast``    how far the product's outline stands out from the ground, in deviations of the ground.
    """

    product: Pixels
    shade: Mask
    pale: Mask
    slope: Field
    distance: Field
    plainness: float
    contrast: float


def plain_ground(rgb: Pixels) -> PlainGround:
    """Tell the product from a plain ground: uint8 (H, W, 3), of any size."""
    height, width = rgb.shape[:2]
    factor = min(1.0, WORKING_PX / max(height, width))
    small = resize(rgb, (max(1, round(width * factor)), max(1, round(height * factor))), "bicubic")
    pixels = small.astype(np.float32)
    ground, noise, share = _surface(pixels)
    plainness = float(ramp(share, PLAIN_FROM, PLAIN_TO))
    distance = _distance(pixels, ground) / noise
    if plainness == 0:
        everything, nowhere = np.full(distance.shape, 255, np.uint8), np.zeros(distance.shape, np.bool_)
        return PlainGround(everything, nowhere, nowhere, np.zeros_like(distance), distance, 0.0, 0.0)
    clear = _ground_area(distance)
    product = np.where(clear, np.asarray(ramp(distance, NEAR, FAR)), np.float32(1))
    product *= 1 - _shadow(pixels, ground, product)
    solid = product > 0.5
    rim = solid & ~ndimage.binary_erosion(solid, iterations=2)
    contrast = float(np.median(distance[rim])) if rim.any() else 0.0
    weight = np.rint(255 * product).astype(np.uint8)
    light = pixels.sum(axis=2) / ground.sum(axis=2)
    pale = (light > PALE[0]) & (light < PALE[1])
    return PlainGround(weight, _shade(pixels, ground), pale, _slope(pixels), distance, plainness, contrast)


def _surface(pixels: Field) -> tuple[Field, float, float]:
    """Fit the ground's colour: float (h, w, 3) → the same shape, its noise, and the border's share that fits.

    A quadratic surface for each channel, through what has about the border's colour and hangs together with it,
    fitted again as that grows.
    """
    height, width = pixels.shape[:2]
    y, x = (np.arange(size, dtype=np.float32) / size for size in (height, width))
    step = max(1, max(height, width) // SAMPLES)
    seen = pixels[::step, ::step]
    terms = np.stack([np.outer(y[::step] ** i, x[::step] ** j) for i, j in POWERS], axis=-1)
    weights = np.zeros((len(POWERS), 3), np.float32)
    weights[0] = np.median(border_of(pixels), axis=0)
    noise = MOST_NOISE
    for _ in range(4):
        distance = _distance(seen, terms @ weights)
        areas, count = ndimage.label(distance < 3 * noise)
        known = at_border(areas, count)[areas]
        if known.sum() < 2 * len(POWERS):
            break
        rows = terms[known]
        # What little is added to the diagonal lets a border of few samples stay level.
        squares = rows.T @ rows + 0.01 * np.eye(len(POWERS), dtype=np.float32)
        weights[:] = np.linalg.solve(squares, rows.T @ seen[known])
        noise = float(np.clip(1.5 * np.median(_distance(rows @ weights, seen[known])), LEAST_NOISE, MOST_NOISE))
    every = np.stack([np.outer(y**i, x**j) for i, j in POWERS], axis=-1)
    ground: Field = np.clip(every @ weights, 1, 255)
    share = float((border_of(_distance(pixels, ground)) < 3 * noise).mean())
    return ground, noise, share


def _distance(pixels: Field, ground: Field) -> Field:
    """How far colours lie apart: float (…, 3) twice → (…), in levels; a difference of hue counts double."""
    apart = pixels - ground
    grey = (apart[..., 0] + apart[..., 1] + apart[..., 2]) / 3
    hue = np.abs(apart[..., 0] - grey) + np.abs(apart[..., 1] - grey) + np.abs(apart[..., 2] - grey)
    distance: Field = np.hypot(grey, hue)
    return distance


def _ground_area(distance: Field) -> Mask:
    """Which pixels may be the ground: near its colour, and at the border or in a hole."""
    areas, count = ndimage.label(distance < FAR)
    sizes = np.bincount(areas.ravel(), minlength=count + 1)
    near = np.bincount(areas[distance < NEAR / 2], minlength=count + 1)
    # A hole shows the ground as it is; a pale part of the product only comes near it.
    chosen = at_border(areas, count) | ((near >= 0.6 * sizes) & (sizes >= 12))
    chosen[0] = False
    area: Mask = chosen[areas]
    return area


def _shadow(pixels: Field, ground: Field, product: Field) -> Field:
    """How much of each pixel is a shadow that the product throws on the ground: float (h, w), 0 to 1."""
    if float(np.median(ground)) < DARKEST_LIT:
        return np.zeros_like(product)
    white = np.clip(np.rint(pixels * (240 / ground)), 0, 255).astype(np.uint8)
    weight = np.rint(255 * product).astype(np.uint8)
    found = shadow(white, weight).astype(np.float32) / np.float32(255)
    return np.where(_tinted(pixels, ground), 0, found)


def _tinted(pixels: Field, ground: Field) -> Mask:
    """Which pixels are darker than the ground in one channel and not in another: a cream lampshade, no shadow."""
    darker = 240 - ndimage.uniform_filter(pixels, (3, 3, 0)) * (240 / ground)
    most, least = darker.max(axis=2), darker.min(axis=2)
    tinted: Mask = ndimage.binary_opening((most > TINTED_FROM) & (least < LEAST_DARKENED * most))
    return tinted


def _shade(pixels: Field, ground: Field) -> Mask:
    """Which pixels have the ground's hue and are darker; on a dark ground none: bool (h, w)."""
    if float(np.median(ground)) < DARKEST_LIT:
        return np.zeros(pixels.shape[:2], np.bool_)
    relative = ndimage.uniform_filter(pixels, (3, 3, 0)) / ground
    red, green, blue = (relative[..., channel] for channel in range(3))
    light = (red + green + blue) / 3
    apart = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    shade: Mask = (apart < SHADE_TINT) & (light > SHADE_DEPTH[0]) & (light < SHADE_DEPTH[1])
    shade &= ~_tinted(pixels, ground)
    return shade


def _slope(pixels: Field) -> Field:
    """The steepest channel's gradient: float (h, w, 3) → (h, w)."""
    down, across = (
        ndimage.uniform_filter1d(ndimage.correlate1d(pixels, (-0.5, 0, 0.5), axis), 3, 1 - axis) for axis in (0, 1)
    )
    slope: Field = np.hypot(down, across).max(axis=2)
    return slope
