"""One training picture: products laid over a ground, with shadows, and the faults of real photos."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from workers.mask.learning.backgrounds import background, pale_ground, texture
from workers.mask.learning.cutouts import Cutout

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

AS_IT_IS, WITHOUT_PRODUCT, PALE = 0.28, 0.05, 0.14
"""Share of the pictures that show a product on its own ground, none at all, and a light product on a light ground."""

COUNTS = (0.76, 0.18, 0.06)
"""Shares of pictures with one, two and three products."""

LEAST_SEEN = 0.01
"""Share of the picture that a product covers at least."""


@dataclass(frozen=True)
class Example:
    """A picture, uint8 (px, px, 3), and its product mask, uint8 (px, px)."""

    rgb: Pixels
    mask: Pixels


def compose_example(
    cutouts: Sequence[Cutout], scenes: Sequence[Image.Image], px: int, rng: np.random.Generator
) -> Example:
    """Compose a random training picture, ``px`` wide and high."""
    kind = rng.random()
    own = [cutout for cutout in cutouts if cutout.own]
    if kind < AS_IT_IS and own:
        rgb, mask = as_it_is(own[int(rng.integers(len(own)))], px, rng)
    elif kind < AS_IT_IS + WITHOUT_PRODUCT:
        rgb, mask = texture(px, rng), Image.new("L", (px, px))
    elif kind < AS_IT_IS + WITHOUT_PRODUCT + PALE:
        rgb, mask = lay(pale_ground(px, rng), Image.new("L", (px, px)), _bleached(_any(cutouts, rng), rng), rng)
    else:
        rgb, mask = background(scenes, px, rng), Image.new("L", (px, px))
        for _ in range(1 + int(rng.choice(len(COUNTS), p=COUNTS))):
            rgb, mask = lay(rgb, mask, _any(cutouts, rng), rng)
    return Example(_as_photographed(rgb, rng), np.asarray(mask))


def _any(cutouts: Sequence[Cutout], rng: np.random.Generator) -> Cutout:
    return cutouts[int(rng.integers(len(cutouts)))]


def _bleached(cutout: Cutout, rng: np.random.Generator) -> Cutout:
    """Make a product nearly white or nearly grey, with what little of its drawing is left."""
    pixels = cutout.rgb.astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + np.float32(rng.uniform(0, 0.5)) * (pixels - grey)
    light = np.float32(rng.uniform(215, 255)) - np.float32(rng.uniform(0.15, 0.5)) * (255 - pixels)
    return replace(cutout, rgb=np.clip(light, 0, 255).astype(np.uint8))


def as_it_is(cutout: Cutout, px: int, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Return a part of a picture with its own ground and shadow, and the mask there."""
    height, width = cutout.mask.shape
    side = max(height, width) * rng.uniform(0.7, 1.1)
    left, top = (rng.uniform(min(0, length - side), max(0, length - side)) for length in (width, height))
    edge = tuple(int(c) for c in np.median(np.concatenate((cutout.rgb[0], cutout.rgb[-1])), axis=0))
    corners = (left, top, left, top + side, left + side, top + side, left + side, top)
    quad, smooth = Image.Transform.QUAD, Image.Resampling.BILINEAR
    rgb = Image.fromarray(cutout.rgb).transform((px, px), quad, corners, smooth, fillcolor=edge)
    mask = Image.fromarray(cutout.mask).transform((px, px), quad, corners, smooth, fillcolor=0)
    return (ImageOps.mirror(rgb), ImageOps.mirror(mask)) if rng.random() < 0.5 else (rgb, mask)


def lay(
    rgb: Image.Image, mask: Image.Image, cutout: Cutout, rng: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """Lay a product over a picture, with a shadow, and add it to the mask."""
    px = rgb.width
    product, alpha = _placed(cutout, px, rng)
    if float(np.asarray(alpha).mean()) < 255 * LEAST_SEEN:
        return rgb, mask
    ground = np.asarray(rgb, np.float32)
    if rng.random() < 0.75:
        ground = ground * _shadow(alpha, rng)[..., None]
    weight = np.asarray(alpha, np.float32)[..., None] / np.float32(255)
    mixed = ground * (1 - weight) + _recoloured(product, ground, weight, rng) * weight
    joined = np.maximum(np.asarray(mask), np.asarray(alpha))
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)), Image.fromarray(joined)


def _placed(cutout: Cutout, px: int, rng: np.random.Generator) -> tuple[Pixels, Image.Image]:
    """Scale, turn, flip and move a product: its colours and its alpha, ``px`` wide and high."""
    rows, columns = np.flatnonzero(cutout.mask.max(axis=1) > 127), np.flatnonzero(cutout.mask.max(axis=0) > 127)
    if rows.size == 0:
        return np.zeros((px, px, 3), np.uint8), Image.new("L", (px, px))
    middle = ((columns[0] + columns[-1]) / 2, (rows[0] + rows[-1]) / 2)
    length = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    scale = length / px / (rng.uniform(0.3, 0.95) if rng.random() < 0.85 else rng.uniform(0.95, 1.4))
    turn = np.radians(rng.uniform(-15, 15) if rng.random() < 0.85 else rng.uniform(-180, 180))
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    flip = -1 if rng.random() < 0.5 else 1
    free = px / 2 * rng.uniform(0, 0.6, 2) * rng.choice((-1, 1), 2)
    x, y = px / 2 + free[0], px / 2 + free[1]
    data = (flip * cos, -flip * sin, middle[0] - flip * (cos * x - sin * y), sin, cos, middle[1] - sin * x - cos * y)
    affine, smooth = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    reduced = max(1.0, scale)
    # What is shrunk by an affine map is not averaged: blur it before, or its edges are ragged.
    source, weights = Image.fromarray(cutout.rgb), Image.fromarray(_eroded(cutout))
    if reduced > 1.2:
        blur = ImageFilter.GaussianBlur(float(0.4 * reduced))
        source, weights = source.filter(blur), weights.filter(blur)
    return np.asarray(source.transform((px, px), affine, data, smooth)), weights.transform(
        (px, px), affine, data, smooth
    )


def _eroded(cutout: Cutout) -> Pixels:
    """The mask, half a pixel smaller where the picture has a ground, whose colour clings to the edge."""
    if not cutout.own:
        return cutout.mask
    smaller = Image.fromarray(cutout.mask).filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(0.6))
    return np.asarray(smaller)


def _shadow(alpha: Image.Image, rng: np.random.Generator) -> Field:
    """How much light a product leaves of the ground's: float (px, px), 0 to 1; soft, and beside or below it."""
    px = alpha.width
    depth = rng.uniform(0.15, 0.65)
    shift = rng.uniform(-0.12, 0.12) * px, rng.uniform(-0.02, 0.1) * px
    if rng.random() < 0.4:  # it lies flat before or behind the product
        rows = np.flatnonzero(np.asarray(alpha).max(axis=1) > 127)
        foot = float(rows[-1]) if rows.size else px / 2
        flat, lean = rng.uniform(2, 5), rng.uniform(-1.5, 1.5)
        data = (1, lean, -lean * foot - shift[0] / 4, 0, flat, foot * (1 - flat))
    else:
        data = (1, 0, -shift[0], 0, 1, -shift[1])
    cast = alpha.transform((px, px), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    cast = cast.filter(ImageFilter.GaussianBlur(px / 256 * rng.uniform(1.5, 12)))
    left: Field = 1 - np.float32(depth / 255) * np.asarray(cast, np.float32)
    return left


def _recoloured(product: Pixels, ground: Field, weight: Field, rng: np.random.Generator) -> Field:
    """Change a product's colours, and bring it near the light of the ground half the time."""
    pixels = product.astype(np.float32)
    if rng.random() < 0.3:
        pixels = pixels[..., rng.permutation(3)]
    if rng.random() < 0.15:  # pale and white products
        pixels = 255 - (255 - pixels) * np.float32(rng.uniform(0.1, 0.6))
    gamma, gain = rng.uniform(0.7, 1.4), rng.uniform(0.75, 1.15)
    pixels = np.float32(255) * (pixels / np.float32(255)) ** np.float32(gamma) * np.float32(gain)
    if rng.random() < 0.5:
        share = weight.sum() + 1
        own, around = (pixels * weight).sum(axis=(0, 1)) / share, ground.mean(axis=(0, 1))
        pixels = pixels + np.float32(rng.uniform(0.1, 0.6)) * (around - own)
    return np.clip(pixels, 0, 255)


def _as_photographed(image: Image.Image, rng: np.random.Generator) -> Pixels:
    """Add one light, blur, noise and JPEG to the whole picture: RGB → uint8 (px, px, 3)."""
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.1)))
    pixels = np.asarray(image, np.float32)
    gains = np.float32(255) * rng.uniform(0.9, 1.08, 3).astype(np.float32)
    pixels = (pixels / np.float32(255)) ** np.float32(rng.uniform(0.8, 1.25)) * gains
    if rng.random() < 0.5:
        pixels += rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(1, 8))
    if rng.random() < 0.05:
        pixels[:] = pixels.mean(axis=2, keepdims=True)
    made = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.7:
        file = io.BytesIO()
        made.save(file, "JPEG", quality=int(rng.integers(40, 96)))
        made = Image.open(file)
    return np.array(made)
