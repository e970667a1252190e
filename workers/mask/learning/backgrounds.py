"""Grounds to lay products on: parts of scenes, textures, plain and two-part grounds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

from workers.model.dataset import find_images, side_of

Pixels = npt.NDArray[np.uint8]

SCENE_PX = 640
"""Shorter side of a scene in memory."""

SCENE_PART_PX = 384
"""Side of a bare part of a scene in memory."""


def load_scenes(folders: Sequence[Path], side: str) -> list[Image.Image]:
    """Return the pictures below some folders that belong to a side of the split, RGB."""
    scenes = []
    for path in (path for folder in folders for path in find_images(folder)):
        if side_of(hashlib.sha256(path.read_bytes()).hexdigest()) != side:
            continue
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        factor = SCENE_PX / min(image.size)
        if factor < 1:
            image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
        scenes.append(image)
    return scenes


def scene_part(scene: Image.Image, px: int, rng: np.random.Generator, least: float = 0.45) -> Image.Image:
    """Cut a random square of a scene, ``least`` of its shorter side wide or more: RGB, ``px`` wide.

    It is flipped half the time and sometimes out of focus.
    """
    side = round(min(scene.size) * rng.uniform(least, 1.0))
    left, top = (int(rng.integers(0, length - side + 1)) for length in scene.size)
    part = scene.resize((px, px), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    if rng.random() < 0.5:
        part = ImageOps.mirror(part)
    if rng.random() < 0.3:
        part = part.filter(ImageFilter.GaussianBlur(px / 256 * rng.uniform(0.8, 4)))
    return part


def bare_parts(
    scenes: Sequence[Image.Image], is_bare: Callable[[Image.Image], bool], tries: int, rng: np.random.Generator
) -> list[Image.Image]:
    """Cut ``tries`` random squares of each scene, and keep those that show no product of their own.

    A product laid over a scene that already shows one leaves open which of the two is meant.
    """
    parts = [scene_part(scene, SCENE_PART_PX, rng, least=0.4) for scene in scenes for _ in range(tries)]
    return [part for part in parts if is_bare(part)]


def plain_ground(px: int, rng: np.random.Generator) -> Image.Image:
    """Draw paper of one colour, lit unevenly; every other one is white or grey."""
    colour = rng.uniform(20, 255, 3)
    if rng.random() < 0.5:
        colour[:] = 255 if rng.random() < 0.5 else colour[0]
    y, x = np.mgrid[0 : 1 : px * 1j, 0 : 1 : px * 1j] - 0.5
    light = 1 + rng.uniform(-0.35, 0.35) * x + rng.uniform(-0.35, 0.35) * y
    light = light - rng.uniform(0, 0.8) * (x * x + y * y) if rng.random() < 0.7 else np.ones_like(x)
    return Image.fromarray(np.clip(colour * light[..., None], 0, 255).astype(np.uint8))


def pale_ground(px: int, rng: np.random.Generator) -> Image.Image:
    """Draw white or nearly white paper, of any tint, evenly lit or falling off by a tenth."""
    colour = rng.uniform(222, 255) + rng.uniform(-6, 6, 3) * (rng.random() < 0.5)
    y, x = np.mgrid[0 : 1 : px * 1j, 0 : 1 : px * 1j] - 0.5
    light = 1 + rng.uniform(-0.1, 0.1) * x + rng.uniform(-0.1, 0.1) * y - rng.uniform(0, 0.2) * (x * x + y * y)
    if rng.random() < 0.4:
        light = np.ones_like(x)
    return Image.fromarray(np.clip(colour * light[..., None], 0, 255).astype(np.uint8))


def texture(px: int, rng: np.random.Generator) -> Image.Image:
    """Draw a surface with a grain: wood, cloth, stone, by noise smoothed more one way than the other."""
    low, high = rng.uniform(0, 200, 3), rng.uniform(60, 255, 3)
    smooth = rng.uniform(0.6, 8, 2) * px / 256
    if rng.random() < 0.5:
        smooth[int(rng.integers(2))] *= 12
    noise = ndimage.gaussian_filter(rng.standard_normal((px, px)).astype(np.float32), smooth, mode="wrap")
    if rng.random() < 0.4:
        noise = np.sin(noise / noise.std() * rng.uniform(1, 4))
    level = np.clip(0.5 + 0.25 * noise / noise.std(), 0, 1)[..., None]
    return Image.fromarray((low + (high - low) * level).astype(np.uint8))


def two_parts(upper: Image.Image, lower: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put a floor before a wall, with the edge between them at a random height."""
    edge = round(upper.height * rng.uniform(0.35, 0.85))
    joined = upper.copy()
    joined.paste(lower.crop((0, edge, lower.width, lower.height)), (0, edge))
    return joined


def background(scenes: Sequence[Image.Image], px: int, rng: np.random.Generator) -> Image.Image:
    """Draw a random ground, RGB, ``px`` wide and high: a scene more often than not."""
    kind = rng.random()
    if scenes and kind < 0.6:
        return scene_part(scenes[int(rng.integers(len(scenes)))], px, rng)
    if kind < 0.72:
        return texture(px, rng)
    if kind < 0.87:
        return plain_ground(px, rng)
    parts = [texture(px, rng) if rng.random() < 0.5 else plain_ground(px, rng) for _ in range(2)]
    return two_parts(parts[0], parts[1], rng)
