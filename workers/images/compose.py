"""From what the generator painted to the rendition's pixels: full size, product protected, blended.

The generator works at a *working size* of at most ``working_px`` on the long side, divided by the
texture scale: larger strokes come from painting smaller. So strokes have one size relative to the
picture, whatever its resolution from ``working_px`` on; a smaller photo has larger ones. What is
painted is enlarged to the photo's size and gets back the photo's fine detail, so that edges and
lettering of the product stay sharp. Everything is uint8 except for strips of ``STRIP_PX`` rows, so
memory is about five times the photo's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

STRIP_PX = 256


def working_size(width: int, height: int, *, working_px: int, texture_scale: float) -> tuple[int, int]:
    """Return (width, height) at which the generator works; never larger than the photo."""
    factor = min(1.0, min(1.0, working_px / max(width, height)) / texture_scale)
    return max(1, round(width * factor)), max(1, round(height * factor))


def shrink(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize uint8 (H, W, 3) to ``size`` = (width, height) with antialiasing."""
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def compose(photo: Pixels, small: Pixels, painted: Pixels, weight: Pixels, *, strength: float) -> Pixels:
    """Compose the rendition: uint8 (H, W, 3).

    Args:
        photo: the source, uint8 (H, W, 3).
        small: the source at working size, uint8 (h, w, 3).
        painted: what the generator made of ``small``, uint8 (h, w, 3).
        weight: how much of the paint each pixel takes, uint8 (h, w).
        strength: 0 to 1; 0 gives the photo, exactly.
    """
    if strength == 0:
        return photo
    height, width = photo.shape[:2]
    enlarged = small.shape != photo.shape
    layers = (Image.fromarray(painted), Image.fromarray(small), Image.fromarray(weight))
    result = np.empty_like(photo)
    for top in range(0, height, STRIP_PX):
        bottom = min(height, top + STRIP_PX)
        strip = photo[top:bottom].astype(np.float32)
        paint, coarse, cover = (_strip(layer, width, height, top, bottom, enlarged) for layer in layers)
        if enlarged:
            paint += strip - coarse
        blended = strip + (np.clip(paint, 0, 255) - strip) * (cover[..., np.newaxis] * (strength / 255))
        result[top:bottom] = np.clip(np.rint(blended), 0, 255)
    return result


def _strip(
    layer: Image.Image, width: int, height: int, top: int, bottom: int, enlarged: bool
) -> npt.NDArray[np.float32]:
    """Rows ``top`` to ``bottom`` of a layer enlarged to (width, height), without enlarging the rest."""
    if not enlarged:
        return np.asarray(layer)[top:bottom].astype(np.float32)
    factor = layer.height / height
    box = (0.0, top * factor, float(layer.width), bottom * factor)
    return np.asarray(layer.resize((width, bottom - top), Image.Resampling.BICUBIC, box=box)).astype(np.float32)
