"""What a file says about the colours of its pixels, read from every tag that says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from workers.images.colour.cicp import space_of_codes
from workers.images.colour.space import ADOBE_RGB, BT709, SRGB, SRGB_CURVE, ColourSpace, Curve, Primaries
from workers.images.metadata.exif import Exif
from workers.images.metadata.isobmff import read_main_picture
from workers.images.metadata.png import PngColour, read_colour

_SRGB_CODE, _ADOBE_RGB_CODE, _UNCALIBRATED_CODE = 1, 2, 65_535
_DCF_OPTION_FILE = "R03"
# What programs write for sRGB beside the chunk of that name, or in place of it, as the specification tells them to.
_SRGB_GAMMA, _SRGB_GAMMA_TOLERANCE = 45_455, 60
_LEAST_EXPONENT, _GREATEST_EXPONENT = 0.2, 5.0
_RGB_MATRIX = 0


def colour_tags(image: Image.Image, data: bytes, source_format: str, exif: Exif) -> Iterator[ColourSpace | bytes]:
    """Yield what tags the file has, as spaces and ICC profiles, the one that counts most first.

    In a PNG these are cICP, iCCP, sRGB, gAMA with cHRM, as its third edition orders them; in AVIF and HEIC, ICC
    and nclx, which beside a profile says only how the pixels were coded. EXIF comes last in all formats.
    """
    icc = image.info.get("icc_profile")
    png = read_colour(data) if source_format == "png" else None
    spaces: list[ColourSpace | bytes | None] = [_of_cicp(png) if png else None]
    spaces.append(icc if isinstance(icc, bytes) else None)  # a TIFF may have anything in its place
    if png is not None:
        spaces += [SRGB if png.is_srgb else None, _of_gamma(png)]
    elif source_format in ("avif", "heif"):
        nclx = read_main_picture(data).nclx
        spaces.append(space_of_codes(nclx[0], nclx[1]) if nclx else None)
    spaces.append(_of_exif(exif))
    return (space for space in spaces if space)


def _of_cicp(png: PngColour) -> ColourSpace | None:
    if png.cicp is None or png.cicp[2] != _RGB_MATRIX or png.cicp[3] > 1:
        return None
    space = space_of_codes(png.cicp[0], png.cicp[1])
    return space and replace(space, full_range=bool(png.cicp[3]))


def _of_gamma(png: PngColour) -> ColourSpace | None:
    curve = SRGB_CURVE if png.gamma is None else _curve(png.gamma)
    primaries = BT709 if png.chromaticities is None else _primaries(png.chromaticities)
    if (png.gamma is None and png.chromaticities is None) or curve is None or primaries is None:
        return None
    return ColourSpace(primaries, curve)


def _curve(gamma: int) -> Curve | None:
    if abs(gamma - _SRGB_GAMMA) <= _SRGB_GAMMA_TOLERANCE:
        return SRGB_CURVE
    exponent = 100_000 / gamma if gamma else 0.0
    return Curve(exponent) if _LEAST_EXPONENT <= exponent <= _GREATEST_EXPONENT else None


def _primaries(chromaticities: tuple[int, ...]) -> Primaries | None:
    white, red, green, blue = ((x / 100_000, y / 100_000) for x, y in zip(*[iter(chromaticities)] * 2, strict=True))
    try:
        return Primaries(red, green, blue, white)
    except ValueError:
        return None


def _of_exif(exif: Exif) -> ColourSpace | None:
    if exif.colour_space == _ADOBE_RGB_CODE:
        return ADOBE_RGB
    if exif.colour_space == _UNCALIBRATED_CODE and exif.interoperability == _DCF_OPTION_FILE:
        return ADOBE_RGB
    return SRGB if exif.colour_space == _SRGB_CODE else None
