# mypy: ignore-errors
"""Draw the style images of the project's own making, deterministically (NumPy and Pillow only).

    python samples/drawing/style_images.py OUT

ink-wash and pastel imitate the materials, poster and halftone the printing processes; warm-film and
silver-print grade and grain this folder's own sample pictures. Dedicated to the public domain (CC0-1.0).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 768
DOT_PX = 12
PHOTOS = Path(__file__).parents[1] / "photos"
SCENES = ("sofa.jpg", "bath-towels.jpg", "notebooks.jpg", "handbag.jpg", "face-cream.jpg", "lounge-chair.jpg")


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


def poster(rng: np.random.Generator) -> Image.Image:
    """Flat shapes in six inks with dark contours, as on a lithographed poster."""
    field = noise(rng, 70) + 0.35 * noise(rng, 26)
    other = noise(rng, 95)
    levels = (steps(field, 5) + 2 * steps(other, 3)) % 6
    rgb = palette(levels, ["#f3e6c8", "#d9482b", "#1f3a5f", "#e8a53a", "#2f8076", "#f3e6c8"])
    edge = np.zeros((SIDE, SIDE), bool)
    edge[1:] |= levels[1:] != levels[:-1]
    edge[:, 1:] |= levels[:, 1:] != levels[:, :-1]
    line = Image.fromarray(edge.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(5))
    line = np.asarray(line.filter(ImageFilter.GaussianBlur(1.0)), np.float64)[..., None] / 255
    return picture(rgb + (np.array([27.0, 27, 38]) - rgb) * line + 2.5 * noise(rng, 2)[..., None])


def halftone(rng: np.random.Generator) -> Image.Image:
    """One screen of round navy dots over flat washes of colour on cream paper, as in an old comic.

    The dots carry the tones, so that a product stays readable; four screens over each other would not
    leave room for one.
    """
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    washes = ["#f6efdf", "#f3dfae", "#eec2a2", "#c9dcd2", "#a9c9d6"]
    rgb = palette(steps(noise(rng, 70) + 0.4 * noise(rng, 25), len(washes)), washes)
    tone = noise(rng, 60) + 0.5 * noise(rng, 25)
    amount = 0.04 + 0.8 / (1 + np.exp(-2.2 * (tone - 0.5)))
    u, v = (x + y) / 2**0.5, (x - y) / 2**0.5
    dots = (np.cos(2 * np.pi * u / DOT_PX) + np.cos(2 * np.pi * v / DOT_PX)) / 4 + 0.5
    cover = 1 / (1 + np.exp(-(dots - (1 - amount)) * 16))[..., None]
    return picture(rgb + (np.array([38.0, 44, 82]) - rgb) * cover)


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


def scenes() -> np.ndarray:
    """The sample pictures side by side, floats (SIDE, SIDE, 3)."""
    sheet = Image.new("RGB", (SIDE, SIDE))
    wide, high = SIDE // 2, SIDE // 3
    for index, name in enumerate(SCENES):
        with Image.open(PHOTOS / name) as opened:
            scene = opened.convert("RGB")
        scene.thumbnail((2000, 2000))
        factor = max(wide / scene.width, high / scene.height)
        scene = scene.resize((round(scene.width * factor) + 1, round(scene.height * factor) + 1))
        left, top = (scene.width - wide) // 2, (scene.height - high) // 2
        sheet.paste(scene.crop((left, top, left + wide, top + high)), (index % 2 * wide, index // 2 * high))
    return np.asarray(sheet, np.float64)


def warm_film(rng: np.random.Generator) -> Image.Image:
    """Evening light on colour film: warm highlights, teal shadows, lifted blacks, fine grain."""
    rgb = scenes() / 255
    light = (rgb @ np.array([0.299, 0.587, 0.114]))[..., None]
    curve = 0.07 + 0.88 * (3 * rgb**2 - 2 * rgb**3) * 0.55 + 0.88 * rgb * 0.45
    warm = curve * np.array([1.06, 0.97, 0.80]) + (1 - light) ** 2 * np.array([-0.015, 0.015, 0.05])
    blend = light + (warm - light) * 0.92
    grain = noise(rng, 2)[..., None] * 0.022 * (1 - 0.5 * light)
    return picture(255 * (blend + grain))


def silver_print(rng: np.random.Generator) -> Image.Image:
    """Black and white on warm baryta paper: deep blacks, bright whites, visible grain."""
    light = (scenes() / 255 @ np.array([0.35, 0.5, 0.15])) ** 1.25
    curve = 0.5 + 0.62 * np.tanh(2.6 * (light - 0.42)) / np.tanh(1.4)
    curve = np.clip(curve + 0.035 * noise(rng, 2.5) * (1 - 0.6 * np.clip(curve, 0, 1)), 0.03, 0.97)
    return picture(255 * curve[..., None] * np.array([1.0, 0.985, 0.955]))


DRAWN: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "ink_wash": ink_wash,
    "poster": poster,
    "halftone": halftone,
    "pastel": pastel,
    "warm_film": warm_film,
    "silver_print": silver_print,
}


def main(out: Path) -> None:
    """Draw all of them into ``out``, as PNG."""
    out.mkdir(parents=True, exist_ok=True)
    for index, (name, draw) in enumerate(DRAWN.items()):
        draw(np.random.default_rng(1905 + index)).save(out / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
