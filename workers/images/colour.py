"""Any colour space as sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

# What a profile may be applied to. A grey image may carry an RGB profile (many programs write one).
_SPACES = {"RGB": ("RGB", "L"), "GRAY": ("L", "RGB"), "CMYK": ("CMYK",), "LAB": ("LAB",)}
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "LAB": "LAB"}


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Return an image of mode L, RGB, CMYK or LAB as RGB in sRGB.

    A profile that is broken, or made for another kind of image, is as good as none: RGB and grey are
    then taken for sRGB, and CMYK is converted by the plain formula. Refusing the image would help no
    merchant, and browsers show it the same way.
    """
    try:
        converted = _through_profile(image, icc)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        converted = None
    return converted or _plain(image)


def _through_profile(image: Image.Image, icc: bytes | None) -> Image.Image | None:
    """Convert by the embedded profile; None where it does not fit the image or changes nothing."""
    if not icc:
        return None
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    space = profile.profile.xcolor_space.strip().upper()
    if image.mode not in _SPACES.get(space, ()) or (space == "GRAY" and not _is_grey(image)):
        return None
    mode = _MODES[space]
    if space == "RGB" and _changes_nothing(profile):
        return None
    return ImageCms.applyTransform(image.convert(mode), _to_srgb_transform(profile, mode))


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
