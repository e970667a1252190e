"""The edge of a product on a plain ground, by colour: what looks like the ground beside it is ground.

Masks are found small and keep a rim of ground and of JPEG noise. On a plain ground both colours of an edge are
known nearby, and a pixel's share of the product follows from where its colour lies between them (the compositing
equation of Porter and Duff 1984, solved for alpha).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.background import ramp
from workers.images.resize import resize
from workers.images.scene.foreground import WORKING_PX, local_means

Pixels = npt.NDArray[np.uint8]

BAND_PX = 5
"""How far an edge may move inwards, at working size."""

APART_FROM, APART_TO = 24.0, 60.0
"""Distance of the two colours, of 255, from which an edge begins to be, and is, judged by colour."""

CLEAR_TO, SOLID_FROM = 0.12, 0.8
"""Share of the product's colour up to which a pixel is the ground, and from which it is the product."""

SPECK = 0.002
"""Share of a product up to which a part beside it is noise of the photo."""

STRIP_ROWS = 64


def tightened(rgb: Pixels, alpha: Pixels) -> Pixels:
    """Return alpha, uint8 (H, W), with its edges moved to where the colours of a photo (H, W, 3) change."""
    height, width = alpha.shape
    factor = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = resize(rgb, size, "bicubic").astype(np.float32)
    cover = np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BOX), np.float32) / 255
    inner = ndimage.binary_erosion(cover > 0.9, iterations=BAND_PX, border_value=1)
    ground = cover < 0.02
    # Thin parts have no inside and keep their edges.
    near = ndimage.binary_dilation(inner, iterations=3 * BAND_PX) & ~inner
    if not near.any() or not ground.any():
        return alpha
    enlarged = width, height
    product, behind = (
        resize(local_means(small, part.astype(np.float32)), enlarged, "bicubic") for part in (inner, ground)
    )
    band = np.asarray(Image.fromarray(near.astype(np.uint8) * 255).resize(enlarged, Image.Resampling.BILINEAR))
    result = alpha.copy()
    for top in range(0, height, STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        chosen = (band[rows] > 127) & (alpha[rows] > 0)
        if chosen.any():
            photo, own, old = (field[rows][chosen].astype(np.float32) for field in (rgb, product, behind))
            apart = own - old
            square = (apart * apart).sum(axis=1)
            share = ((photo - old) * apart).sum(axis=1) / np.maximum(square, 1)
            share = np.clip((share - CLEAR_TO) / (SOLID_FROM - CLEAR_TO), 0, 1)
            trust = np.asarray(ramp(np.sqrt(square), APART_FROM, APART_TO))
            # A part in another colour than its neighbours is no ground: its own distance from the ground counts.
            far = np.sqrt(((photo - old) ** 2).sum(axis=1)) / np.maximum(np.sqrt(square), 1)
            share = np.maximum(share, np.clip((far - CLEAR_TO) / (SOLID_FROM - CLEAR_TO), 0, 1))
            result[rows][chosen] = np.rint(alpha[rows][chosen] * (1 - trust * (1 - share))).astype(np.uint8)
    return result


def without_specks(alpha: Pixels) -> Pixels:
    """Return alpha, uint8 (H, W), without what hangs together with nothing and is smaller than ``SPECK``."""
    areas, count = ndimage.label(alpha > 0, np.ones((3, 3)))
    weights = np.bincount(areas.ravel(), weights=alpha.ravel(), minlength=count + 1)
    weights[0] = 0
    specks = weights < SPECK * weights.sum()
    return np.where(specks[areas], 0, alpha).astype(np.uint8)
