"""Read and verify a picture that is to stand behind products."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from producer.thumbnail import FORMATS
from shared.errors import ImageTooLarge, UnreadableImage

LEAST_PX = 400
"""Shorter side of a background: enlarged further, it would be a blur behind a sharp product."""

LONGEST = 4
"""Greatest ratio of its sides: of a longer one little would be seen."""


def verified_size(data: bytes, *, max_megapixels: float) -> tuple[int, int]:
    """Decode a picture and return its (width, height), whatever the file claims to be.

    Raises UnreadableImage, ImageTooLarge.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                size = image.size
                if size[0] * size[1] > max_megapixels * 1e6:
                    raise ImageTooLarge(f"the background has {size[0]} × {size[1]} pixels: shrink it")
                _check_shape(*size)
                image.load()
    except (ImageTooLarge, UnreadableImage):
        raise
    except Exception as error:  # Pillow raises many kinds of exception for hostile files
        raise UnreadableImage(f"the background is not a picture that can be read: {error}") from error
    return size


def _check_shape(width: int, height: int) -> None:
    if min(width, height) < LEAST_PX:
        raise UnreadableImage(
            f"the background has {width} × {height} pixels: its shorter side must have {LEAST_PX}",
            code="background_too_small",
        )
    if max(width, height) > LONGEST * min(width, height):
        raise UnreadableImage(
            f"the background has {width} × {height} pixels: one side may be {LONGEST} times as long as the other",
            code="background_too_small",
        )
