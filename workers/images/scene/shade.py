"""The shadow of a product on its new ground: the photo's own where it can be told apart, else one from its outline.

Shadows are factors of the ground's light, 0 to 1, found and drawn small, since they are soft.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.background import ramp
from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

WORKING_PX = 448
"""Longer side at which shadows are found and drawn."""

LEAST_LIT = 96.0
"""Brightness of the ground, of 255, below which no shadow is told apart on it."""

SHADED_FROM, SHADED_TO = 0.985, 0.955
"""Share of the ground's light at which a pixel begins to be, and is, shaded: more is noise and paper."""

LEAST_SHARE = 0.02
"""Size of a shadow, of the product's, from which it counts as the photo's own."""

FARTHEST = (0.3, 0.7)
"""Distance from the product, of its size, at which a shadow begins to fade and ends: beyond are dark corners."""

CONTACT_HEIGHT = 0.22
"""How far above its lowest point a product may still stand on the ground, of its height: hind legs do."""

TIGHT, WIDE, AROUND = (0.008, 0.014, 0.55), (0.035, 0.08, 0.35), (0.03, 0.03, 0.16)
"""Height and width of the shadow's parts, of the product's size, and how dark they are: at contact, near, around."""


def own_shade(rgb: Pixels, alpha: Pixels) -> Field | None:
    """Return the shadow that a photo on a plain ground shows, float (h, w) at working size; None if it shows none.

    ``rgb`` is uint8 (H, W, 3), ``alpha`` (H, W). What is darker than the surface of the lit ground, hangs together
    with the product and runs out smoothly is a shadow.
    """
    small, cover = _small(rgb, alpha)
    lightness: Field = np.asarray(Image.fromarray(small).convert("L"), np.float32)
    ground = cover < 0.03
    clear = ndimage.binary_erosion(ground, iterations=3)
    if clear.mean() < 0.02:
        return None
    lit = _lit_surface(lightness, clear)
    if float(np.median(lit[clear])) < LEAST_LIT:
        return None
    # Not beside the product, whose own edge is no shadow.
    ground = ndimage.binary_erosion(ground, iterations=2, border_value=1)
    share = ndimage.gaussian_filter(ground.astype(np.float32), 1.0)
    seen = ndimage.gaussian_filter(np.where(ground, np.clip(lightness / lit, 0, 1), 0).astype(np.float32), 1.0)
    light = np.where(ground, seen / np.maximum(share, 1e-3), 1).astype(np.float32)
    light = 1 - (1 - light) * np.asarray(ramp(1 - light, 1 - SHADED_FROM, 1 - SHADED_TO), np.float32)
    shaded = ground & (light < SHADED_FROM)
    areas, _ = ndimage.label(shaded)
    product = cover > 0.5
    touching = np.unique(areas[ndimage.binary_dilation(product, iterations=7) & shaded])
    shaded &= np.isin(areas, touching[touching > 0])
    if shaded.sum() < LEAST_SHARE * product.sum():
        return None
    size = float(np.sqrt(product.sum()))
    away = ndimage.distance_transform_edt(~product) / max(1.0, size)
    near = 1 - np.asarray(ramp(away.astype(np.float32), *FARTHEST), np.float32)
    return _continued(np.where(shaded, 1 - near * (1 - light), 1).astype(np.float32), ground)


def drawn_shade(alpha: Pixels) -> Field:
    """Draw the shadow of a product from its outline, uint8 (H, W): float (h, w) at working size.

    Darkest where it stands on the ground, softer and wider around, faint behind. Where the frame cuts a product
    it stands on nothing.
    """
    small, cover = _small(alpha[..., np.newaxis].repeat(3, axis=2), alpha)
    product = cover > 0.5
    rows = np.flatnonzero(product.any(axis=1))
    if rows.size == 0:
        return np.ones(small.shape[:2], np.float32)
    columns = np.flatnonzero(product.any(axis=0))
    size = float(max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1)
    line = _contact_line(product, rows)
    shade = np.ones(product.shape, np.float32)
    for (high, wide, dark), drawn in ((TIGHT, line), (WIDE, line), (AROUND, cover)):
        spread = max(0.7, high * size), max(0.7, wide * size)
        blurred = ndimage.gaussian_filter(drawn, spread)
        if drawn is line:  # a line's blur is as faint as it is wide
            blurred = np.clip(blurred * (2.5 * spread[0]), 0, 1)
        shade *= 1 - dark * ndimage.shift(blurred, (0.6 * spread[0], 0), order=1, mode="nearest")
    return shade


def _small(rgb: Pixels, alpha: Pixels) -> tuple[Pixels, Field]:
    height, width = alpha.shape
    factor = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    cover: Field = np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BOX), np.float32) / np.float32(255)
    return resize(rgb, size, "bicubic"), cover


def _lit_surface(lightness: Field, clear: Mask) -> Field:
    """Fit a quadratic surface to the lightness of the ground where it is lit: float (h, w)."""
    height, width = lightness.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1)
    chosen = clear.copy()
    step = max(1, int(np.sqrt(clear.sum() / 4000)))
    chosen[np.arange(height) % step != 0] = False
    chosen[:, np.arange(width) % step != 0] = False
    rows, values = terms[chosen], lightness[chosen]
    kept = values >= np.quantile(values, 0.3) if values.size else np.zeros(0, np.bool_)
    weights = np.array([255, 0, 0, 0, 0, 0], np.float32)
    for _ in range(4):
        if kept.sum() < 24:
            break
        squares = rows[kept].T @ rows[kept] + 1e-3 * np.eye(6, dtype=np.float32)
        weights = np.linalg.solve(squares, rows[kept].T @ values[kept])
        kept = values - rows @ weights > -4
    surface: Field = np.clip(terms @ weights, 1, 255).astype(np.float32)
    return surface


def _continued(light: Field, ground: Mask) -> Field:
    """Continue a shadow a little way beneath the product's soft edge, which the new ground shines through."""
    share = ndimage.gaussian_filter(ground.astype(np.float32), 3)
    near = ndimage.gaussian_filter(np.where(ground, light, 0).astype(np.float32), 3) / np.maximum(share, 1e-3)
    continued: Field = np.where(ground, light, np.clip(near, 0, 1)).astype(np.float32)
    return continued


def _contact_line(product: Mask, rows: npt.NDArray[np.intp]) -> Field:
    """The lowest pixel of each column, as far as it may stand on the ground: float (h, w), 0 to 1."""
    height, width = product.shape
    lowest = height - 1 - np.argmax(product[::-1], axis=0)
    above = (rows[-1] - lowest) / max(1.0, CONTACT_HEIGHT * (rows[-1] - rows[0] + 1))
    weight = np.where(product.any(axis=0), np.clip(1 - above, 0, 1), 0)
    line = np.zeros((height, width), np.float32)
    standing = np.flatnonzero((weight > 0) & (lowest < height - 1))
    line[lowest[standing], standing] = weight[standing]
    return line
