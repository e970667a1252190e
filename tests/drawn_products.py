"""Drawn products whose masks are known exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Pixels = npt.NDArray[np.uint8]

Y, X = np.mgrid[0:240, 0:320]
RING = (np.hypot(X - 150, Y - 110) < 80) & (np.hypot(X - 130, Y - 90) > 24)
"""A round product with a hole in it."""


def ring_on(
    ground: tuple[int, int, int], *, colour: tuple[int, int, int] = (150, 60, 40), shadow: float = 0.0
) -> Pixels:
    """Return the product with some grain on an unevenly lit ground, uint8 (240, 320, 3), and its soft shadow."""
    rng = np.random.default_rng(3)
    light = 1 - 0.08 * ((X - 160) ** 2 + (Y - 120) ** 2) / 200**2
    cast = ndimage.gaussian_filter(np.roll(RING, (14, 22), (0, 1)).astype(float), 9)
    light = light * (1 - shadow * np.where(np.hypot(X - 150, Y - 110) < 80, 0, cast))
    photo = np.array(ground) * light[..., None]
    photo[RING] = np.array(colour) * (0.8 + 0.2 * np.sin(X / 7))[RING][:, None]
    pixels: Pixels = np.rint(photo + rng.normal(0, 1, photo.shape)).clip(0, 255).astype(np.uint8)
    return pixels


def draw_cut_outs(folder: Path, count: int, px: int = 64) -> None:
    """Write cut-outs, PNG with alpha: discs of all sizes and colours."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:px, 0:px]
    for number in range(count):
        disc = np.hypot(x - px / 2, y - px / 2) < rng.uniform(0.2, 0.45) * px
        pixels = np.zeros((px, px, 4), np.uint8)
        pixels[disc] = (*rng.integers(0, 256, 3), 255)
        Image.fromarray(pixels).save(folder / f"disc-{number}.png")


def draw_scenes(folder: Path, count: int, px: int = 96) -> None:
    """Write scenes: soft noise of all colours."""
    folder.mkdir()
    rng = np.random.default_rng(6)
    for number in range(count):
        noise = ndimage.gaussian_filter(rng.normal(0, 1, (px, px, 3)), (5, 5, 0))
        noise = 128 + 60 * noise / noise.std()
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(folder / f"scene-{number}.png")
