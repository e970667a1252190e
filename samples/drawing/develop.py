"""Turn the raw renders into the pictures of the sample catalogue. Needs Pillow only.

    python samples/drawing/develop.py RENDERS [OUT]

``catalogue.csv`` says which pictures there are; OUT is this folder's parent unless given. Among
them are, on purpose, one PNG with an alpha channel and one JPEG whose stored pixels lie on their side
with EXIF Orientation 6, since a merchant's folder has such files too.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from PIL import Image, ImageFilter

SAMPLES = Path(__file__).parents[1]
SIDEWAYS = "water-bottle.jpg"
ORIENTATION, TURN_RIGHT = 0x0112, 6
QUALITY = 88
COLORS = 256


def main() -> None:
    """Develop every picture that the catalogue names."""
    parser = argparse.ArgumentParser(description="Turn renders into catalogue pictures.")
    parser.add_argument("renders", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=SAMPLES)
    arguments = parser.parse_args()
    with (SAMPLES / "catalogue.csv").open(newline="", encoding="utf-8") as rows:
        names = [row["image"] for row in csv.DictReader(rows)]
    for name in names:
        with Image.open(arguments.renders / f"{Path(name).stem}.png") as render:
            develop(render, arguments.out / name)


def develop(render: Image.Image, out: Path) -> None:
    """Sharpen a render as a camera would and save it in the format of its name."""
    if out.suffix == ".png":
        save_png(render, out)
        return
    picture = render.convert("RGB").filter(ImageFilter.UnsharpMask(radius=0.9, percent=60, threshold=2))
    exif = Image.Exif()
    if out.name == SIDEWAYS:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif[ORIENTATION] = TURN_RIGHT
    picture.save(out, quality=QUALITY, optimize=True, progressive=True, subsampling="4:2:0", exif=exif)


def save_png(render: Image.Image, out: Path) -> None:
    """Save a PNG: with its alpha channel where the film was clear, else in few colours."""
    if render.mode == "RGBA":
        render.save(out, optimize=True)
        return
    render.convert("RGB").quantize(COLORS, dither=Image.Dither.FLOYDSTEINBERG).save(out, optimize=True)


if __name__ == "__main__":
    main()
