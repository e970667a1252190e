"""Make docs/scenes.jpg: sample products on the backgrounds that a look can have, and in the built-in grades."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from docs.pictures import CHECKPOINT, ROOT, tiles
from shared.look import parse_looks
from shared.merchants.backgrounds import background_key
from shared.models.styles import read_definitions
from shared.store import open_store
from workers.images.compose import shrink
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.images.photo import Photo
from workers.images.procedural.definition import effect_from_bytes
from workers.mask.segmenter import Segmenter
from workers.styling.background_cache import BackgroundCache
from workers.styling.scene import set_scene

PRODUCTS = ("teapot", "handbag")
GROUNDS = ("white", "#27323f", "gradient:#f6f1ea,#d3c4b2", "transparent")
GRADED = "handbag"
LIMITS = Limits(2**26, 25_000_000)
CHECK_PX = 16
SAMPLE_PX = 600


def sample(product: str) -> Photo:
    """Return a sample product, twice as large as it is shown."""
    (path,) = (ROOT / "samples" / "photos").glob(f"{product}.[jp][pn]g")
    photo = decode(path.read_bytes(), LIMITS)
    factor = SAMPLE_PX / max(photo.width, photo.height)
    return replace(photo, rgb=shrink(photo.rgb, (round(photo.width * factor), round(photo.height * factor))))


def table_by_a_wall(side: int = 1200) -> bytes:
    """Draw a background: a lit wall above a wooden table."""
    y, x = (axis / side for axis in np.mgrid[0:side, 0:side].astype(np.float32))
    chance = np.random.default_rng(1)
    wall = np.array([222, 214, 203]) * (1 - 0.16 * np.hypot(x - 0.3, y - 0.2))[..., np.newaxis]
    grain = chance.normal(0, 5, (side, 1, 1)) + 4 * np.sin(90 * y + 3 * np.sin(2 * x))[..., np.newaxis]
    wood = np.array([158, 116, 82]) * (0.9 + 0.25 * (y - 0.66))[..., np.newaxis] + grain
    drawn = np.where((y < 0.66)[..., np.newaxis], wall + chance.normal(0, 1, (side, side, 1)), wood)
    file = io.BytesIO()
    Image.fromarray(drawn.clip(0, 255).astype(np.uint8)).save(file, "png")
    return file.getvalue()


def shown(photo: Photo) -> Image.Image:
    """Return a photo; what is transparent shows a chequered ground."""
    if photo.alpha is None:
        return Image.fromarray(photo.rgb)
    y, x = np.mgrid[0 : photo.height, 0 : photo.width] // CHECK_PX
    ground = np.where((y + x) % 2, 235, 205)[..., np.newaxis].repeat(3, axis=2).astype(np.uint8)
    picture = Image.fromarray(ground)
    picture.paste(Image.fromarray(photo.rgb), mask=Image.fromarray(photo.alpha))
    return picture


def main() -> None:
    """Write docs/scenes.jpg and docs/grades.jpg."""
    picture = table_by_a_wall()
    sha256 = hashlib.sha256(picture).hexdigest()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder).as_uri())
        store.put(background_key(1, sha256), picture)
        pictures, segmenter = BackgroundCache(store, LIMITS), Segmenter()
        for product in PRODUCTS:
            photo = sample(product)
            rows.append((shown(photo), "the photo"))
            for ground in (*GROUNDS, f"picture:{sha256}"):
                (look,) = parse_looks(["udnie"], "0", 1.0, "keep", "none", ground)
                label = "picture:oak" if ground.startswith("picture") else ground
                rows.append((shown(set_scene(photo, look, 1, pictures, segmenter).photo), label))
    tiles(rows, len(GROUNDS) + 2).save(ROOT / "docs" / "scenes.jpg", quality=85)
    photo = sample(GRADED)
    graded = [(shown(photo), "the photo")]
    for style, definition in read_definitions(CHECKPOINT / "procedural.json"):
        if json.loads(definition)["kind"] == "grade":
            graded.append((Image.fromarray(effect_from_bytes(definition).apply(photo.rgb, 1.0)), style.name))
    tiles(graded, len(graded)).save(ROOT / "docs" / "grades.jpg", quality=85)


if __name__ == "__main__":
    main()
