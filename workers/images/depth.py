"""Any Pillow mode as 8-bit colour and a separate alpha."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

_COLOUR_MODES = ("L", "RGB", "CMYK", "LAB")
_GREY_MODES = ("1", "L", "LA", "La")
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def split(image: Image.Image) -> tuple[Image.Image, npt.NDArray[np.uint8] | None]:
    """Return the colours of a loaded image, in mode L, RGB, CMYK or LAB, and its alpha, if it has one."""
    if image.mode.startswith("I") or image.mode == "F":
        return _split_wide_grey(image)
    if image.has_transparency_data:
        if image.mode in _GREY_MODES:
            *colours, alpha = image.convert("LA").split()
        else:
            *colours, alpha = image.convert("RGBA").split()
        return Image.merge("L" if len(colours) == 1 else "RGB", colours), np.array(alpha)
    if image.mode in _COLOUR_MODES:
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def scale_transparent_colour(image: Image.Image, bit_depth: int) -> None:
    """Bring a PNG's one transparent colour (tRNS) to the 8 bits that Pillow brings its pixels to.

    Pillow leaves it at the file's own depth, so that it would match no pixel or the wrong ones.
    """
    key = image.info.get("transparency")
    if image.mode == "L" and isinstance(key, int) and bit_depth < 8:
        image.info["transparency"] = key * 255 // (2**bit_depth - 1)
    elif image.mode == "RGB" and isinstance(key, tuple) and bit_depth == 16:
        image.info["transparency"] = tuple(channel >> 8 for channel in key)


def _split_wide_grey(image: Image.Image) -> tuple[Image.Image, npt.NDArray[np.uint8] | None]:
    """Grey with more than 8 bits; Pillow's own conversion would clip everything above 255."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0.0, neginf=0.0)
    white = _white_level(image, values)
    grey = np.clip(np.rint(values * (255.0 / white)), 0, 255).astype(np.uint8)
    if _tiff_tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    key = image.info.get("transparency")
    alpha = np.where(values == key, 0, 255).astype(np.uint8) if isinstance(key, int) else None
    return Image.fromarray(grey), alpha


def _white_level(image: Image.Image, values: npt.NDArray[np.float64]) -> float:
    """Return the value that stands for white.

    16-bit files say it by their depth. Nothing in 32-bit and floating-point files does: there the
    smallest usual full scale that holds every pixel is taken, else the brightest pixel.
    """
    if image.mode.startswith("I;16"):
        bits = _tiff_tag(image, _BITS_PER_SAMPLE)
        return 4095.0 if bits == 12 else 65535.0
    brightest = float(values.max(initial=0.0))
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    return next((white for white in usual if brightest <= white), brightest)


def _tiff_tag(image: Image.Image, tag: int) -> int | None:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    value = image.tag_v2.get(tag)
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, int) else None
