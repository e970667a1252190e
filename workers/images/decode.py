"""From the bytes of a source file to a Photo; everything that can be wrong with them ends here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, TiffImagePlugin

from shared.errors import ImageError, ImageTooLarge, UnreadableImage
from workers.images import heif
from workers.images.colour.conversion import to_srgb
from workers.images.colour.tags import colour_tags
from workers.images.depth import scale_transparent_colour, split
from workers.images.header import SUPPORTED, refuse_hostile_structure, sniff
from workers.images.limits import Limits
from workers.images.metadata import png
from workers.images.metadata.credits import read_credits
from workers.images.metadata.exif import Exif, read_exif
from workers.images.metadata.isobmff import read_main_picture
from workers.images.metadata.source_type import read_source_type
from workers.images.orientation import upright
from workers.images.photo import Photo

__all__ = ["Limits", "Photo", "decode"]

_NAMES = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "tiff": "TIFF", "gif": "GIF", "avif": "AVIF", "heif": "HEIC"}
_TILE_WIDTH, _TILE_LENGTH = 322, 323


def decode(data: bytes, limits: Limits) -> Photo:
    """Decode a JPEG, PNG, WebP, TIFF, GIF or AVIF file, and HEIC where it is installed, into an upright sRGB photo.

    Of an animation the first frame is taken. Raises UnreadableImage or ImageTooLarge and nothing
    else; the message does not name the image: the caller knows where it came from. Safe to call
    from several threads.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"the file has {len(data) / 1e6:.1f} MB, over the limit of {limits.max_bytes / 1e6:.1f}: send a smaller one"
        )
    source_format = sniff(data)
    if source_format == "heif" and not heif.is_readable():
        raise UnreadableImage(
            f"the file is a HEIC image: have atelier[heif] installed on the workers, or send {SUPPORTED}",
            code="unsupported_format",
        )
    with _image_errors(source_format, limits):
        refuse_hostile_structure(data, source_format)
        with _load(data, source_format, limits) as image:
            exif = _exif(image, data)
            colours, alpha = split(upright(image))
            rgb = np.array(to_srgb(colours, colour_tags(image, data, source_format, exif)))
            credits, source_type = read_credits(image, exif), read_source_type(image)
    if alpha is not None and alpha.min() == 255:
        alpha = None
    if alpha is not None:
        # What was hidden under full transparency is anything: it must not bleed into the style.
        rgb[alpha == 0] = 255
    return Photo(rgb, alpha, source_format, credits, source_type)


def _load(data: bytes, source_format: str, limits: Limits) -> Image.Image:
    """Open, check the size that the header declares, and only then decode the pixels."""
    if source_format == "avif" and (declared := read_main_picture(data).size):
        # The decoder refuses a very large one without telling its size.
        _check_size(*declared, limits)
    pixels = png.still(data) if source_format == "png" else data
    image = Image.open(_MeteredBytes(pixels, limits.max_reads), formats=[source_format])
    _check_size(image.width, image.height, limits)
    _check_tile_size(image, limits)
    if source_format == "png":
        scale_transparent_colour(image, png.bit_depth(data))
    image.load()
    return image


def _exif(image: Image.Image, data: bytes) -> Exif:
    """Read the EXIF block, which in a TIFF is the file itself."""
    return read_exif(data if isinstance(image, TiffImagePlugin.TiffImageFile) else image.info.get("exif") or b"")


def _check_size(width: int, height: int, limits: Limits) -> None:
    pixels = width * height
    if pixels < 1:
        raise UnreadableImage("the image has no pixels: send the image again")
    if pixels > limits.max_pixels:
        raise ImageTooLarge(
            f"the image has {pixels / 1e6:.1f} megapixels, over the limit of "
            f"{limits.max_pixels / 1e6:.1f}: send a smaller one"
        )


def _check_tile_size(image: Image.Image, limits: Limits) -> None:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # A tile is decoded whole, however little of it the image uses.
        tile = image.tag_v2.get(_TILE_WIDTH, 0) * image.tag_v2.get(_TILE_LENGTH, 0)
        if tile > limits.max_pixels:
            raise ImageTooLarge("the TIFF has tiles larger than any image we accept: export it again")


class _MeteredBytes(io.BytesIO):
    """The file as Pillow reads it, up to a number of reads.

    Pillow's parsers loop in Python over chunks, segments, comment blocks and tags; 64 MB of the
    smallest ones would keep a worker busy for minutes before a single pixel is seen.
    """

    def __init__(self, data: bytes, max_reads: int) -> None:
        super().__init__(data)
        self._reads_left = max_reads

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise UnreadableImage("the file is made of far too many small parts: export it again")
        return super().read(size)


@contextmanager
def _image_errors(source_format: str, limits: Limits) -> Iterator[None]:
    """Translate whatever Pillow raises over a bad file into our errors.

    Broad on purpose: over 408 malformed files Pillow raised six types of exception (OSError,
    ValueError, TypeError and RuntimeError among them) and it promises no list; one that slipped
    through would fail the image's neighbours too. The price is that a mistake of ours in here looks
    like a bad image; the cause is kept on the error.
    """
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Above Pillow's own limit it raises before we can see the size (and warns above half of
        # that, which is an exception where warnings are errors).
        raise ImageTooLarge(
            f"the image is far over the limit of {limits.max_pixels / 1e6:.1f} megapixels: send a smaller one"
        ) from error
    except MemoryError as error:
        raise ImageTooLarge("the image needs too much memory to decode: send a smaller one") from error
    except Exception as error:
        if isinstance(error, EOFError) or "truncated" in str(error).lower():
            raise UnreadableImage(
                "the image breaks off before its end: upload the whole file again",
                code="truncated_image",
            ) from error
        if "too large for PngImagePlugin" in str(error):
            raise ImageTooLarge(
                "the PNG has a text block or colour profile that is far too large: export it again without"
            ) from error
        raise UnreadableImage(
            f"the {_NAMES[source_format]} image is damaged, or of a kind that cannot be decoded: "
            "export it again as a plain JPEG or PNG"
        ) from error
