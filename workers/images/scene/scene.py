"""Set a product on another ground: cut out, framed like its neighbours, its edges cleared of the old ground.

alpha → own colours → exposure by the old ground's white → placement → ground × shadow → product over it

All is done to the photo before it is painted, so that styles, protection, presets and measures see an ordinary
photo on an ordinary ground, and strokes have one size relative to the product throughout a catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.images.resize import resize
from workers.images.scene.contact import without_contact_rim
from workers.images.scene.edges import tightened, without_specks
from workers.images.scene.foreground import own_colours
from workers.images.scene.placement import Placement, moved, place
from workers.images.scene.shade import drawn_shade, own_shade

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

FAINT, FIRM = 24, 228
"""Alpha up to which the mask's haze counts as ground, and from which its doubt counts as product."""

LEAST_WHITE = 222.0
"""Least channel of a ground that was meant to be white: it says how the photo was exposed."""

STRIP_ROWS = 64


@dataclass(frozen=True)
class Cut:
    """A product taken from its photo and placed in the frame.

    ``rgb``    uint8 (H, W, 3), the product's own colours, continued beyond its edges.
    ``alpha``  uint8 (H, W).
    ``light``  uint8 (H, W), how much of the ground's light its shadow leaves.
    """

    rgb: Pixels
    alpha: Pixels
    light: Pixels


def cut_out(rgb: Pixels, mask: Pixels, *, plain: bool, on_floor: bool) -> Cut:
    """Take a product from its photo: uint8 (H, W, 3) and its mask (H, W).

    ``plain`` says that the photo's ground is plain, so that its shadow and white can be read off it;
    ``on_floor`` that the product stands low in the frame, as in a picture with a floor.
    """
    alpha = firm(mask)
    if plain:
        alpha = without_specks(tightened(rgb, without_contact_rim(rgb, alpha)))
    own = own_colours(rgb, alpha)
    shade = own_shade(rgb, alpha) if plain else None
    if plain:
        own = _exposed(own, rgb, alpha)
    placement = place(alpha, on_floor=on_floor)
    alpha = moved(_three(alpha), placement, 0)[..., 0]
    if shade is None:
        light = _enlarged(drawn_shade(alpha), alpha.shape)
    else:
        light = moved(_three(_enlarged(_faded(shade, placement), mask.shape)), placement, 255)[..., 0]
    return Cut(moved(own, placement, 255), alpha, light)


def firm(mask: Pixels) -> Pixels:
    """Return a mask, uint8 (H, W), without haze on the ground and without doubt inside the product."""
    levels = np.clip((np.arange(256) - FAINT) * (255 / (FIRM - FAINT)), 0, 255)
    firmer: Pixels = np.rint(levels).astype(np.uint8)[mask]
    return firmer


def over(cut: Cut, ground: Pixels) -> Pixels:
    """Lay a product and its shadow over a ground, uint8 (H, W, 3)."""
    result = np.empty_like(ground)
    for top in range(0, len(ground), STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        share = np.repeat(cut.alpha[rows, :, np.newaxis], 3, axis=2).astype(np.float32) / 255
        lit = ground[rows] * (np.repeat(cut.light[rows, :, np.newaxis], 3, axis=2).astype(np.float32) / 255)
        result[rows] = np.rint(lit + share * (cut.rgb[rows] - lit)).astype(np.uint8)
    return result


def _exposed(own: Pixels, rgb: Pixels, alpha: Pixels) -> Pixels:
    """Expose a product as if its ground, where it was meant to be white, were white."""
    ground = alpha == 0
    if not ground.any():
        return own
    step = max(1, int(np.sqrt(ground.size / 60_000)))
    white = np.median(rgb[::step, ::step][ground[::step, ::step]], axis=0) if ground[::step, ::step].any() else None
    if white is None or float(white.min()) < LEAST_WHITE:
        return own
    levels = np.arange(256)[:, np.newaxis] * (255 / white)
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.stack([table[own[..., channel], channel] for channel in range(3)], axis=-1)


def _faded(shade: Field, placement: Placement) -> Field:
    """Let a shadow that reached the old frame fade before it, where that no longer is the frame."""
    if placement == Placement():
        return shade
    height, width = shade.shape
    edge = max(2.0, 0.1 * max(height, width))
    y, x = (np.minimum(np.arange(size), np.arange(size)[::-1]) / edge for size in (height, width))
    fade = np.clip(np.minimum(y[:, np.newaxis], x[np.newaxis, :]), 0, 1)
    faded: Field = (1 - (1 - shade) * fade).astype(np.float32)
    return faded


def _three(field: Pixels) -> Pixels:
    return np.repeat(field[..., np.newaxis], 3, axis=2)


def _enlarged(light: Field, shape: tuple[int, ...]) -> Pixels:
    levels = np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8)
    return resize(_three(levels), (shape[1], shape[0]), "bicubic")[..., 0]
