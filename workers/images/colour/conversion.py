"""Any colour space as sRGB."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import numpy as np
from PIL import Image, ImageCms

from workers.images.colour.hdr import tone_map
from workers.images.colour.profile import icc_profile
from workers.images.colour.space import SRGB, ColourSpace, HdrCurve

_NARROW_BLACK, _NARROW_WHITE = 16, 235

# What a profile may be applied to. A grey image may carry an RGB profile (many programs write one).
_SPACES = {"RGB": ("RGB", "L"), "GRAY": ("L", "RGB"), "CMYK": ("CMYK",), "LAB": ("LAB",)}
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "LAB": "LAB"}


def to_srgb(image: Image.Image, tags: Iterable[ColourSpace | bytes]) -> Image.Image:
    """Return an image of mode L, RGB, CMYK or LAB as RGB in sRGB.

    The first of the tags (spaces and ICC profiles) that can be used says what the pixels are. One that is broken, or
    made for another kind of image, is as good as none. Without any, RGB and grey are taken for sRGB, and CMYK is
    converted by the plain formula. Refusing the image would help no merchant, and browsers show it the same way.
    """
    for tag in tags:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return _through_profile(image, tag) if isinstance(tag, bytes) else _from_space(image, tag)
    return _plain(image)


def _from_space(image: Image.Image, space: ColourSpace) -> Image.Image:
    """Convert from an RGB space; raise ValueError where the image is not of that kind."""
    if image.mode not in _SPACES["RGB"]:
        raise ValueError(f"an RGB space says nothing about {image.mode}")
    if not space.full_range:
        image = image.point([_widened(level) for level in range(256)] * len(image.getbands()))
    if isinstance(space.curve, HdrCurve):
        return Image.fromarray(tone_map(np.asarray(image.convert("RGB")), space))
    if space == replace(SRGB, full_range=space.full_range):
        return _plain(image)
    return _through_profile(image, icc_profile(space))


def _widened(level: int) -> int:
    wide = round((level - _NARROW_BLACK) * 255 / (_NARROW_WHITE - _NARROW_BLACK))
    return min(max(wide, 0), 255)


def _through_profile(image: Image.Image, icc: bytes) -> Image.Image:
    """Convert by an ICC profile; raise an error of littlecms or a ValueError where it does not fit the image."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    space = profile.profile.xcolor_space.strip().upper()
    if image.mode not in _SPACES.get(space, ()) or (space == "GRAY" and not _is_grey(image)):
        raise ValueError(f"a profile for {space} says nothing about {image.mode}")
    if space == "RGB" and _changes_nothing(profile):
        return _plain(image)
    mode = _MODES[space]
    converted = ImageCms.applyTransform(image.convert(mode), _to_srgb_transform(profile, mode))
    assert converted is not None  # only a transform in place returns nothing
    return converted


def _plain(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":
        # Pillow cannot convert it, and needs no embedded profile to: the space is absolute.
        transform = _to_srgb_transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None  # only a transform in place returns nothing
        return converted
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_srgb_transform(
    profile: ImageCms.ImageCmsProfile, mode: str, *, optimise: bool = True
) -> ImageCms.ImageCmsTransform:
    # Relative colorimetric with black point compensation: what image editors do by default, and
    # unlike the perceptual tables of print profiles it leaves paper white at 255.
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=flags if optimise else flags | ImageCms.Flags.NOOPTIMIZE,
    )


def _changes_nothing(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile is sRGB under whatever name, tried on a grid of colours.

    Most photos carry one. Trying takes 1 ms, converting a megapixel 25 ms and some rounding.
    """
    steps = np.linspace(0, 255, 7).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    transform = _to_srgb_transform(profile, "RGB", optimise=False)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(grid), transform))
    return int(np.abs(converted.astype(int) - grid).max()) <= 2


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "L":
        return True
    red, green, blue = (np.asarray(band) for band in image.split())
    return bool(np.array_equal(red, green) and np.array_equal(red, blue))
