"""Make small previews of possibly hostile pictures, as data URIs for pages that stand alone."""

from __future__ import annotations

import base64
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

# About 14 kB each. JPEG at 480 pixels took 33 kB, and a page of 240 pairs 21 MB.
_SIDE_PX = 360
_QUALITY = 70
_MAX_BYTES = 64 * 1024 * 1024
_MAX_PIXELS = 50_000_000
_MAX_PROFILE_BYTES = 4096
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF")
"""Formats that Pillow may try on a merchant's file: not every plug-in that it has."""


@dataclass(frozen=True)
class Thumbnail:
    """Upright WebP on white, at most 360 pixels on its long side, as a ``data:`` URI."""

    uri: str
    width_px: int
    height_px: int


def make_thumbnail(path: Path | None) -> Thumbnail | None:
    """Return a preview of a picture file; None, and never an error, if it is missing, too large or damaged."""
    thumbnail = None
    with _tolerated():
        if path is not None and _is_acceptable(path):
            with Image.open(path, formats=FORMATS) as image:
                thumbnail = _shrunk(image)
    return thumbnail


def small_picture(data: bytes, side_px: int) -> bytes | None:
    """Return a picture's bytes as upright WebP on white, ``side_px`` on its long side at most; None as above."""
    encoded = None
    with _tolerated(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        found = _encoded(image, side_px)
        encoded = None if found is None else found[0]
    return encoded


def _is_acceptable(path: Path) -> bool:
    status = path.stat()
    return stat.S_ISREG(status.st_mode) and status.st_size <= _MAX_BYTES


def _shrunk(image: Image.Image) -> Thumbnail | None:
    found = _encoded(image, _SIDE_PX)
    if found is None:
        return None
    data, width, height = found
    return Thumbnail("data:image/webp;base64," + base64.b64encode(data).decode("ascii"), width, height)


def _encoded(image: Image.Image, side_px: int) -> tuple[bytes, int, int] | None:
    """Return the bytes of a small WebP, its width and its height; None for a picture of too many pixels."""
    if image.width * image.height > _MAX_PIXELS:
        return None
    profile = image.info.get("icc_profile") if image.mode == "RGB" else None
    # The JPEG decoder skips most of the work; two steps prevent aliasing of fine texture.
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
    with _tolerated():  # the picture is shown despite a damaged EXIF block
        image = ImageOps.exif_transpose(image)
    flat = _on_white(image)
    file = io.BytesIO()
    # Keep a small profile: without it a wide-gamut photo would look paler than its rendition.
    small = profile if profile and len(profile) <= _MAX_PROFILE_BYTES else None
    flat.save(file, "WEBP", quality=_QUALITY, method=2, icc_profile=small)
    return file.getvalue(), flat.width, flat.height


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


@contextmanager
def _tolerated() -> Iterator[None]:
    """Ignore whatever Pillow raises for a bad file, since it documents no list of exceptions.

    Broad on purpose, and only here: a failed preview must not prevent the page.
    """
    try:
        yield
    except (Exception, Image.DecompressionBombWarning):
        return
