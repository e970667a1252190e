"""Photos of packages with known lettering, drawn for measuring how much of it a style leaves readable.

Ten packages with four strings each: letters from 16 to 60 px high in several fonts, dark on light and light on dark,
on the coloured package itself and on a paper label, under a light that falls off to one side.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIDE_PX = 1000
QUALITY = 92
PAPER, INK = (244, 240, 230), (38, 36, 40)

FONTS = (
    "DejaVuSans-Bold.ttf",
    "DejaVuSerif.ttf",
    "LiberationSans-Regular.ttf",
    "LiberationSerif-Bold.ttf",
    "DejaVuSansMono.ttf",
    "LiberationSansNarrow-Bold.ttf",
)
"""Those that a machine lacks are left out; Pillow's own font is always there."""

HEIGHTS_PX = (60, 38, 24, 16)
"""Heights of a capital, from the top of a package to its bottom."""

PACKAGES: tuple[tuple[tuple[int, int, int], bool, tuple[str, str, str, str]], ...] = (
    ((176, 38, 44), False, ("ALPINA", "Dark chocolate", "72 % cocoa solids", "Net weight 250 g")),
    ((32, 62, 120), False, ("NORDIC", "Sea salt flakes", "Harvested by hand", "Keep dry and closed")),
    ((236, 232, 224), False, ("PURE", "Face cream", "For sensitive skin", "50 ml / 1.7 fl oz")),
    ((28, 28, 30), False, ("ESPRESSO", "Whole coffee beans", "Strong dark roast", "Best before March 2027")),
    ((222, 176, 40), False, ("SUNNY", "Orange marmalade", "With bitter peel", "Store in a cool place")),
    ((52, 110, 66), True, ("GARDEN", "Organic olive oil", "First cold pressing", "Product of Greece 500 ml")),
    ((120, 60, 130), True, ("LAVANDE", "Hand soap refill", "No colouring added", "Contents 1000 ml")),
    ((206, 122, 140), True, ("BLOSSOM", "Rose water tonic", "Alcohol free", "Shake well before use")),
    ((96, 148, 176), True, ("CLEARWAY", "Glass cleaner", "No streaks, no odour", "Keep away from children")),
    ((130, 92, 62), True, ("WALNUT", "Furniture polish", "For all hard woods", "Made in Portugal 400 g")),
)
"""Colour, whether there is a paper label on it, and the strings by height."""


def packages() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the JPEG file of each package."""
    fonts = itertools.cycle(_fonts())
    for colour, has_label, strings in PACKAGES:
        picture = _package(colour, has_label, strings, [next(fonts) for _ in strings])
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=QUALITY)
        yield strings[0].lower(), file.getvalue()


def _fonts() -> list[str | None]:
    present: list[str | None] = []
    for name in FONTS:
        try:
            ImageFont.truetype(name)
        except OSError:
            continue
        present.append(name)
    return present or [None]


def _package(
    colour: tuple[int, int, int], has_label: bool, strings: tuple[str, ...], fonts: list[str | None]
) -> Image.Image:
    box = (190, 130, 810, 880)
    picture = Image.new("RGB", (SIDE_PX, SIDE_PX), (228, 227, 225))
    shadow = Image.new("L", picture.size)
    ImageDraw.Draw(shadow).ellipse((170, 850, 850, 910), fill=150)
    picture.paste((70, 70, 74), mask=shadow.filter(ImageFilter.GaussianBlur(16)))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle(box, 26, fill=colour)
    ground = colour
    if has_label:
        ground = PAPER
        draw.rectangle((225, 210, 775, 780), fill=PAPER)
    ink = INK if sum(ground) > 380 else PAPER
    top = 270
    for text, height, font in zip(strings, HEIGHTS_PX, fonts, strict=True):
        draw.text((SIDE_PX / 2, top), text, ink, _font(font, text, height), anchor="mt")
        top += height + 75
    return _lit(picture, box)


def _font(name: str | None, text: str, height_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font whose capitals are as high as asked, or lower where the text would be wider than its label."""

    def sized(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)

    at_100 = sized(100)
    capital = at_100.getbbox("H")
    size = 100 * height_px / (capital[3] - capital[1])
    return sized(min(size, 100 * 520 / at_100.getlength(text)))


def _lit(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Let the light fall off to the right of the package, and add the grain of a sensor."""
    pixels = np.asarray(picture, np.float32)
    left, top, right, bottom = box
    across = np.linspace(1.06, 0.78, right - left, dtype=np.float32)
    pixels[top:bottom, left:right] *= across[np.newaxis, :, np.newaxis]
    grain = np.random.default_rng(7).normal(0, 2.0, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8))
