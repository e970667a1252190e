# mypy: ignore-errors
"""Render the sample products, one PNG each, deterministically. Then run ``develop.py`` on the folder.

With the ``bpy`` wheel:   python samples/drawing/render.py OUT [NAME ...] [--scale 0.5]
With Blender itself:      blender -b --python samples/drawing/render.py -- OUT [NAME ...]

Made with Blender 4.2 (shader inputs are named as there). All eighteen take about a quarter of an hour
on two cores.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import furniture
import studio
import tableware
import wear
from studio import Shot

SHOTS = {
    "mug": (tableware.mug, Shot(1200, 1200, elevation=20)),
    "water-bottle": (tableware.bottle, Shot(1000, 1400, elevation=9, margin=0.06)),
    "teapot": (tableware.teapot, Shot(1300, 1100, elevation=17)),
    "frying-pan": (tableware.frying_pan, Shot(800, 640, elevation=34, margin=0.07, samples=12)),
    "face-cream": (
        tableware.cream_jar,
        Shot(1200, 1200, elevation=11, ground="sweep", color="#e9b79a", margin=0.15),
    ),
    "eucalyptus-vase": (
        tableware.vase,
        Shot(1200, 1600, elevation=7, ground="sweep", color="#d9a7a0", margin=0.1),
    ),
    "rubber-plant": (tableware.plant, Shot(640, 800, elevation=12, ground="clear", margin=0.04, samples=12)),
    "sneaker": (wear.sneaker, Shot(1600, 1000, elevation=13, margin=0.07)),
    "handbag": (wear.handbag, Shot(1200, 1200, azimuth=-24, elevation=14)),
    "backpack": (wear.backpack, Shot(1000, 1300, azimuth=26, elevation=11, margin=0.07)),
    "headphones": (wear.headphones, Shot(1200, 1200, azimuth=-32, elevation=12)),
    "wristwatch": (wear.watch, Shot(720, 720, azimuth=18, elevation=16, margin=0.08, samples=12)),
    "table-lamp": (furniture.lamp, Shot(1000, 1300, elevation=8)),
    "lounge-chair": (furniture.chair, Shot(1400, 1400, azimuth=-33, elevation=14)),
    "sofa": (
        furniture.living_room,
        Shot(2000, 1333, azimuth=-7, elevation=6, ground="room", margin=0.06, lens=50),
    ),
    "bath-towels": (
        furniture.towels,
        Shot(1400, 1050, azimuth=-16, elevation=12, ground="table", color="#a9b8a4", margin=0.14),
    ),
    "shipping-boxes": (
        furniture.boxes,
        Shot(1300, 1300, azimuth=-28, elevation=20, ground="sweep", color="#8fb8bd", margin=0.13),
    ),
    "notebooks": (
        furniture.books,
        Shot(1500, 1000, azimuth=22, elevation=22, ground="table", color="#2f4a55", margin=0.12),
    ),
}


def main() -> None:
    """Render the products named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Render the sample products.")
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--scale", type=float, default=1.0, help="make the pictures smaller, to look at")
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or SHOTS:
        build, shot = SHOTS[name]
        size = (round(shot.width * arguments.scale), round(shot.height * arguments.scale))
        shot = replace(shot, width=size[0], height=size[1])
        studio.clear()
        studio.shoot(build(), shot, arguments.out / f"{name}.png")


if __name__ == "__main__":
    main()
