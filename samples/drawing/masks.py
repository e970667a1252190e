# mypy: ignore-errors
"""Render the sample products from many sides, each with its exact mask, to train the segmentation network on.

    python samples/drawing/masks.py OUT [NAME ...] [--views 8] [--pale]

Writes ``NAME-00.png``, a small picture on white, coloured paper or a table, and ``NAME-00.mask.png``, the alpha that
the same view has on clear film. With ``--pale`` each product is nearly white and stands on white or pale paper
(``NAME-pale-00.png``). Deterministic; a picture takes a few seconds on one core. Needs the ``bpy`` wheel,
as ``render.py`` does.
"""

from __future__ import annotations

import argparse
import colorsys
import random
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import furniture
import render
import studio

PX = 320

BUILDERS = {name: build for name, (build, _) in render.SHOTS.items()} | {"sofa": furniture.sofa}

COLOURS = ("#d9a7a0", "#8fb8bd", "#a9b8a4", "#2f4a55", "#e4dccf", "#6b4021", "#3c3c40", "#c9c9c9", "#f0d060")

PALE_GROUNDS = ("#f4f4f2", "#e9e7e2", "#dfe3e6", "#f2ece4")


def main() -> None:
    """Render the products named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Render the sample products with their masks.")
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--pale", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for view in range(arguments.views):
        for name in arguments.names or BUILDERS:
            label = f"{name}-pale" if arguments.pale else name
            out = arguments.out / f"{label}-{view:02}.png"
            if not out.with_suffix(".mask.png").exists():
                shoot_both(name, random.Random(f"{label} {view}"), out, pale=arguments.pale)


def shoot_both(name: str, rng: random.Random, out: Path, *, pale: bool) -> None:
    """Render one view of a product on a ground, and its mask."""
    _, shot = render.SHOTS[name]
    ground = rng.choice(("white", "white", "sweep") if pale else ("white", "sweep", "sweep", "table"))
    view = replace(
        shot,
        width=PX,
        height=round(PX * rng.uniform(0.8, 1.25)),
        azimuth=shot.azimuth + rng.uniform(-70, 70),
        elevation=rng.uniform(5, 38),
        ground=ground,
        color=rng.choice(PALE_GROUNDS if pale else COLOURS),
        margin=rng.uniform(0.05, 0.22),
        key=rng.uniform(0.7, 1.2),
        samples=4,
    )
    studio.clear()
    things = BUILDERS[name]()
    if pale:
        bleach(rng)
    studio.shoot(things, view, out)
    studio.clear()
    unfinished = out.with_suffix(".clear.png")
    studio.shoot(BUILDERS[name](), replace(view, ground="clear", samples=2), unfinished)
    keep_alpha(unfinished, out.with_suffix(".mask.png"))


def bleach(rng: random.Random) -> None:
    """Give most materials a nearly white colour of their own; the others keep theirs, as a sole or a handle does."""
    for material in bpy.data.materials:
        surface = material.node_tree and material.node_tree.nodes.get("Principled BSDF")
        if not surface or rng.random() < 0.15:
            continue
        colour = surface.inputs["Base Color"]
        for link in list(colour.links):
            material.node_tree.links.remove(link)
        hue, saturation, lightness = rng.random(), rng.uniform(0, 0.12), rng.uniform(0.6, 0.95)
        colour.default_value = (*colorsys.hsv_to_rgb(hue, saturation, lightness), 1.0)


def keep_alpha(clear: Path, out: Path) -> None:
    """Turn the alpha of a picture on clear film into a grey picture."""
    from PIL import Image

    with Image.open(clear) as image:
        image.getchannel("A").save(out)
    clear.unlink()


if __name__ == "__main__":
    main()
