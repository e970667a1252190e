"""What of the product a rendition keeps: its colour, its surface, or some of both.

A style may give a product its strokes, not another colour: of five shirts in five colours, five must come out. Gatys
et al. 2016 (arXiv:1606.05897) keep the colours of a photo by taking only the lightness of the painting, for a whole
picture. Here it is done on the product alone, and the slow part of the lightness, which decides whether a product
looks black or grey, is pulled to the photo's as well.

All masks are uint8 (H, W) at the photo's resolution, 255 on the product and soft at its edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.lab import Field, Planes, lab_of, lightness_of, linear_of, linear_of_lab, luminance_of, srgb_of
from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]

STRIP_ROWS = 32

PULL, PULL_AT_ENDS = 0.75, 0.95
"""How far the slow lightness of a product is pulled to the photo's, and how far that of a black or white one. At half,
products are paler or darker by 13 ΔE2000 in strong styles; at 1, nothing of the style's light and shade is left."""

ROOM, LEAST_GAIN = 30.0, 0.35
"""Distance in L from black and white within which strokes lose contrast, and what of it they keep at the ends. A black
product stays black between the strokes only if these do not brighten it."""

SLOW_PX, SLOW_SIGMA = 160, 160 / 48
"""Longer side at which slow lightness is measured, and the Gaussian that makes it slow."""

TOWARDS_PHOTO = 0.67
"""How far a lightness at which sRGB does not have the product's colour is moved towards the photo's."""

OVER = 0.004
"""Linear light beyond 0 or 1 that rounding hides."""

NEAR_SIGMA = 160 / 16
"""Gaussian, at ``SLOW_PX``, over which a contact shadow fades away from the product."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a photo.

    ``colour``   whether the product keeps hue and chroma.
    ``shadows``  whether light and shade on the scene around the product are kept.
    ``product``  share of the photo that shows on the product, 0 to 1.
    ``scene``    share of the photo that shows on everything else, 0 to 1.
    """

    colour: bool = False
    shadows: bool = False
    product: float = 0.0
    scene: float = 0.0


def protect(photo: Pixels, rendition: Pixels, mask: Pixels, kept: Kept) -> Pixels:
    """Give a rendition back what is kept of its photo: uint8 (H, W, 3) twice and (H, W) → uint8 (H, W, 3)."""
    if kept.shadows:
        rendition = keep_shadows(photo, rendition, mask)
    if kept.colour and kept.product < 1:
        rendition = keep_colour(photo, rendition, mask)
    if kept.product == kept.scene == 0:
        return rendition
    shares = np.rint(np.linspace(kept.scene, kept.product, 256) * 255).astype(np.uint8)
    return give_back(photo, rendition, shares[mask])


def keep_colour(photo: Pixels, rendition: Pixels, mask: Pixels) -> Pixels:
    """Return a rendition whose product has the photo's hue and chroma, and slow lightness close to the photo's.

    The style's strokes are left as differences of lightness. A colour that sRGB does not have at such a lightness is
    moved towards the photo's lightness, then to grey as far as needed; so its hue stays.
    """
    slow_before, slow_after = _slow_lightness(photo, mask), _slow_lightness(rendition, mask)
    pull = PULL_AT_ENDS + (PULL - PULL_AT_ENDS) * _room(slow_before)
    target = slow_after + pull * (slow_before - slow_after)
    gain = LEAST_GAIN + (1 - LEAST_GAIN) * _room(target)

    def toned(before: Planes, after: Planes, gain: Field, offset: Field) -> Pixels:
        lightness, a, b = lab_of(before)
        wanted = np.clip(gain * lightness_of(after) + offset, 0, 100)
        return srgb_of(_in_gamut(lightness, (wanted, a, b)))

    return _in_strips(photo, rendition, mask, (gain, target - gain * slow_after), toned)


def keep_shadows(photo: Pixels, rendition: Pixels, mask: Pixels) -> Pixels:
    """Return a rendition whose scene is as light and dark around the product as the photo's, relative to the rest."""
    slow = _slow_lightness(photo, 255 - mask) - _slow_lightness(rendition, 255 - mask)
    product = _shrunk(mask, (slow.shape[1], slow.shape[0]))
    ground = 1 - product
    slow -= np.float32((slow * ground).sum() / max(float(ground.sum()), 1.0))
    near = np.clip(2 * ndimage.gaussian_filter(product, NEAR_SIGMA), 0, 1)

    def toned(_: Planes, after: Planes, gain: Field, offset: Field) -> Pixels:
        lightness, a, b = lab_of(after)
        return srgb_of(_in_gamut(lightness, (np.clip(gain * lightness + offset, 0, 100), a, b)))

    return _in_strips(photo, rendition, 255 - mask, (np.ones_like(slow), slow * near), toned)


def give_back(photo: Pixels, rendition: Pixels, share: Pixels) -> Pixels:
    """Return ``share``/255 of the photo and the rest of the rendition: uint8 (H, W) for every pixel its own."""
    result = rendition.copy()
    for rows, columns in _strips(share):
        result[rows, columns] = _mixed(rendition[rows, columns], photo[rows, columns], share[rows, columns])
    return result


Toning = Callable[[Planes, Planes, Field, Field], Pixels]
"""From linear light of photo and rendition, and factor and summand for lightness, to the pixels of a strip."""


def _in_strips(photo: Pixels, rendition: Pixels, share: Pixels, change: tuple[Field, Field], tone: Toning) -> Pixels:
    """Return the rendition, toned strip by strip where ``share``, uint8 (H, W), is above 0, and as far as it says.

    ``change`` is factor and summand for lightness, slowly varying, of any size.
    """
    size = (photo.shape[1], photo.shape[0])
    gain, offset = (
        np.asarray(Image.fromarray(field.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
        for field in change
    )
    result = rendition.copy()
    for part in _strips(share):
        toned = tone(linear_of(photo[part]), linear_of(rendition[part]), gain[part], offset[part])
        result[part] = _mixed(rendition[part], toned, share[part])
    return result


def _strips(share: Pixels) -> Iterator[tuple[slice, slice]]:
    """Yield strips of rows, with the columns in which ``share`` is above 0 anywhere."""
    columns = np.flatnonzero(share.any(axis=0))
    rows = np.flatnonzero(share.any(axis=1))
    if not len(rows):
        return
    across = slice(int(columns[0]), int(columns[-1]) + 1)
    for top in range(int(rows[0]), int(rows[-1]) + 1, STRIP_ROWS):
        yield slice(top, min(top + STRIP_ROWS, int(rows[-1]) + 1)), across


def _slow_lightness(rgb: Pixels, mask: Pixels) -> Field:
    """Return the slowly varying lightness, from within the mask: L, 0 to 100, float (h, w)."""
    height, width = mask.shape
    factor = min(1.0, SLOW_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    weight = _shrunk(mask, size)
    lightness = lightness_of(linear_of(resize(rgb, size, "bicubic")))
    within: Field = np.maximum(ndimage.gaussian_filter(weight, SLOW_SIGMA), np.float32(1e-3))
    slow: Field = ndimage.gaussian_filter(lightness * weight, SLOW_SIGMA)
    return slow / within


def _room(lightness: Field) -> Field:
    """Return how far lightness is from black and white, 0 to 1."""
    room: Field = np.clip(np.minimum(lightness, 100 - lightness) / np.float32(ROOM), 0, 1)
    return room


def _shrunk(mask: Pixels, size: tuple[int, int]) -> Field:
    """Resize uint8 (H, W) to ``size`` = (width, height), as float from 0 to 1."""
    small = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BOX), np.float32)
    share: Field = small / np.float32(255)
    return share


def _in_gamut(lightness: Field, wanted: Planes) -> Planes:
    """Return linear light of CIELAB colours, within sRGB. ``lightness`` is one at which they are colours of sRGB."""
    linear = linear_of_lab(wanted)
    beyond = (np.minimum(np.minimum(*linear[:2]), linear[2]) < -OVER) | (
        np.maximum(np.maximum(*linear[:2]), linear[2]) > 1 + OVER
    )
    if not beyond.any():
        return linear
    between = wanted[0][beyond] + np.float32(TOWARDS_PHOTO) * (lightness[beyond] - wanted[0][beyond])
    nearer = linear_of_lab((between, wanted[1][beyond], wanted[2][beyond]))
    for plane, fitted in zip(linear, _desaturated(nearer), strict=True):
        plane[beyond] = fitted
    return linear


def _desaturated(linear: Planes) -> Planes:
    """Move colours towards the grey of their luminance until all channels are from 0 to 1."""
    grey = np.clip(luminance_of(linear), 0, 1)
    room = np.ones_like(grey)
    for plane in linear:
        away = plane - grey
        limit = np.where(away > 0, 1 - grey, grey)
        room = np.minimum(room, limit / np.maximum(np.abs(away), np.float32(1e-6)))
    red, green, blue = (grey + room * (plane - grey) for plane in linear)
    return red, green, blue


def _mixed(first: Pixels, second: Pixels, share: Pixels) -> Pixels:
    """``share``/255 of the second and the rest of the first, rounded: uint8 (h, w, 3) twice and (h, w)."""
    cover = np.repeat(share[..., np.newaxis], 3, axis=2).astype(np.uint16)
    mixed = second.astype(np.uint16) * cover
    mixed += first.astype(np.uint16) * (255 - cover)
    mixed += 128  # division by 255, rounded: Blinn 1995, "Three wrongs make a right"
    mixed += mixed >> 8
    mixed >>= 8
    return mixed.astype(np.uint8)
