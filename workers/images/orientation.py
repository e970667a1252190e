"""Turning a photo upright as its EXIF orientation asks."""

from __future__ import annotations

import struct

from PIL import Image

_ORIENTATION_TAG = 0x0112
_SHORT, _LONG = 3, 4

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
    turn = _TURNS.get(read_orientation(image.info.get("exif") or b""))
    return image if turn is None else image.transpose(turn)


def read_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, in an EXIF block; 1 where it says nothing sensible.

    Read by hand: Pillow parses the whole block, and fails, or warns, when an unrelated part of it
    is damaged, which is common in photos that several programs have edited.
    """
    block = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        value = _find(block, order)
    except struct.error:
        return 1
    return value if 1 <= value <= 8 else 1


def _find(block: bytes, order: str) -> int:
    (start,) = struct.unpack_from(order + "L", block, 4)
    (number,) = struct.unpack_from(order + "H", block, start)
    for at in range(start + 2, start + 2 + number * 12, 12):
        tag, kind, _ = struct.unpack_from(order + "HHL", block, at)
        if tag == _ORIENTATION_TAG and kind in (_SHORT, _LONG):
            return int(struct.unpack_from(order + ("H" if kind == _SHORT else "L"), block, at + 8)[0])
    return 1
