"""Any Pillow mode as 8-bit colour and a separate alpha."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

_COLOUR_MODES = ("L", "RGB", "CMYK", "LAB")
_GREY_MODES = ("1", "L", "LA", "La")
_STRIP_ROWS = 256
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def split(image: Image.Image) -> tuple[Image.Image, npt.NDArray[np.uint8] | None]:
    """Return the colours of a loaded image, in mode L, RGB, CMYK or LAB, and its alpha, if it has one."""
    if image.mode.startswith("I") or image.mode == "F":
        return _split_wide_grey(image)
    if image.has_transparency_data:
        grey = image.mode in _GREY_MODES
        both = image.convert("LA" if grey else "RGBA")
        return both.convert("L" if grey else "RGB"), np.array(both.getchannel("A"))
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
    """Grey with more than 8 bits; Pillow's own conversion would clip everything above 255.

    In strips, because floating point in between would take ten times the memory of the result.
    """
    white = _white_level(image)
    inverted = _tiff_tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO
    key = image.info.get("transparency")
    grey = np.empty((image.height, image.width), np.uint8)
    alpha = np.full_like(grey, 255) if isinstance(key, int) else None
    for rows, values in _strips(image):
        levels = np.clip(np.rint(values * (255.0 / white)), 0, 255).astype(np.uint8)
        grey[rows] = 255 - levels if inverted else levels
        if alpha is not None:
            alpha[rows][values == key] = 0
    return Image.fromarray(grey), alpha


def _strips(image: Image.Image) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Yield some rows at a time, without what is no number."""
    for top in range(0, image.height, _STRIP_ROWS):
        rows = slice(top, min(top + _STRIP_ROWS, image.height))
        values = np.asarray(image.crop((0, top, image.width, rows.stop))).astype(np.float64)
        yield rows, np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)


def _white_level(image: Image.Image) -> float:
    """Return the value that stands for white.

    16-bit files say it by their depth. Nothing in 32-bit and floating-point files does: there the
    smallest usual full scale that holds every pixel is taken, else the brightest pixel.
    """
    if image.mode.startswith("I;16"):
        bits = _tiff_tag(image, _BITS_PER_SAMPLE)
        return 4095.0 if bits == 12 else 65535.0
    brightest = max(float(values.max()) for _, values in _strips(image))
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    return next((white for white in usual if brightest <= white), brightest)


def _tiff_tag(image: Image.Image, tag: int) -> int | None:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    value = image.tag_v2.get(tag)
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, int) else None
