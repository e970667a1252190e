"""Turning a photo upright as its EXIF orientation asks."""

from __future__ import annotations

from PIL import Image

from workers.images.metadata.exif import read_exif

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image) -> Image.Image:
    """Return the loaded image turned upright, or the image itself where nothing asks for a turn.

    A TIFF was already turned by Pillow while loading, and has no EXIF block left to say so again.
    """
    turn = _TURNS.get(read_exif(image.info.get("exif") or b"").orientation)
    return image if turn is None else image.transpose(turn)
