# mypy: ignore-errors
"""Draw the style images of the project's own making, deterministically (NumPy and Pillow only).

    python samples/drawing/style_images.py OUT

ink-wash and pastel imitate the materials. Dedicated to the public domain (CC0-1.0).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 768


def noise(rng: np.random.Generator, scale: float, *, stretch: float = 1.0) -> np.ndarray:
    """Smooth noise (SIDE, SIDE), mean 0 and deviation 1, with features of about ``scale`` pixels.

    ``stretch`` makes them longer along the diagonal, as strokes are.
    """
    y, x = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE), indexing="ij")
    along, across = (x + y) / 2**0.5 * stretch, (x - y) / 2**0.5
    spectrum = np.fft.fft2(rng.standard_normal((SIDE, SIDE))) * np.exp(-((along**2 + across**2) * scale**2) * 4)
    found = np.fft.ifft2(spectrum).real
    return (found - found.mean()) / found.std()


def picture(rgb: np.ndarray) -> Image.Image:
    """Turn floats (H, W, 3) in 0 to 255 into a picture."""
    return Image.fromarray(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))


def palette(levels: np.ndarray, colours: list[str]) -> np.ndarray:
    """Give each level (H, W) of 0 … len(colours) − 1 its colour."""
    table = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], np.float64)
    return table[np.clip(levels, 0, len(colours) - 1)]


def steps(field: np.ndarray, count: int) -> np.ndarray:
    """Cut a field into ``count`` levels of equal area."""
    edges = np.quantile(field, np.linspace(0, 1, count + 1)[1:-1])
    return np.digitize(field, edges)


def ink_wash(rng: np.random.Generator) -> Image.Image:
    """Washes of black ink with dark rims, and dry brush strokes, on warm paper."""
    paper = np.array([244.0, 239, 228])
    density = np.zeros((SIDE, SIDE))
    for scale, amount in ((90, 0.22), (55, 0.3), (30, 0.38)):
        field = noise(rng, scale) + 0.25 * noise(rng, 9)
        wet = 1 / (1 + np.exp(-(field - 0.75) * 9))
        rim = np.exp(-(((field - 0.75) / 0.09) ** 2))
        density += amount * (wet * (0.8 + 0.15 * noise(rng, 14)) + 0.7 * rim)
    strokes = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(strokes)
    for _ in range(46):
        x, y, angle = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(-0.5, 1.4)
        width, bend = rng.uniform(3, 13), rng.uniform(-0.012, 0.012)
        for step in range(int(rng.uniform(60, 260))):
            x, y, angle = x + np.cos(angle), y + np.sin(angle), angle + bend
            radius = width * (0.35 + 0.65 * np.sin(np.pi * min(1.0, step / 120 + 0.12))) / 2
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    dry = np.asarray(strokes.filter(ImageFilter.GaussianBlur(0.8)), np.float64) / 255
    density += dry * np.clip(0.85 + 0.35 * noise(rng, 3, stretch=4), 0, 1.1)
    tooth = 1 + 0.05 * noise(rng, 2)
    ink = np.array([28.0, 30, 38])
    cover = 1 - np.exp(-1.5 * np.clip(density * tooth, 0, None))
    return picture(paper + (ink - paper) * cover[..., None] + 2 * noise(rng, 2)[..., None])


def pastel(rng: np.random.Generator) -> Image.Image:
    """Soft chalk in pale colours over toothed paper."""
    colours = ["#f7efe2", "#f2c6c0", "#bcd5e6", "#f4dfa8", "#bfdcc8", "#d7c4e3", "#e9a79d", "#8fb4d0"]
    rgb = palette(steps(noise(rng, 80) + 0.3 * noise(rng, 30), len(colours)), colours)
    for _ in range(5):
        chalk = palette(steps(noise(rng, 50), len(colours)), colours[::-1])
        stroke = noise(rng, 7, stretch=6)[..., None]
        rgb = np.where(stroke + 0.25 * noise(rng, 2)[..., None] > 0.75, chalk, rgb)
        rgb = np.asarray(picture(rgb).filter(ImageFilter.GaussianBlur(1.2)), np.float64)
    accents = palette(steps(noise(rng, 60), 3), ["#5b6f8f", "#b8604f", "#4d7a6a"])
    stroke = noise(rng, 9, stretch=5)[..., None]
    rgb += (accents - rgb) * (0.75 / (1 + np.exp(-(stroke - 1.6) * 8)))
    tooth = np.clip(noise(rng, 2) + 0.4 * noise(rng, 4), -1.5, 2)[..., None]
    return picture(rgb + 7 * tooth)


DRAWN: dict[str, tuple[int, Callable[[np.random.Generator], Image.Image]]] = {
    "ink_wash": (1905, ink_wash),
    "pastel": (1908, pastel),
}
"""The style images by their names, with their seeds."""


def main(out: Path) -> None:
    """Draw all of them into ``out``, as PNG."""
    out.mkdir(parents=True, exist_ok=True)
    for name, (seed, draw) in DRAWN.items():
        draw(np.random.default_rng(seed)).save(out / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
