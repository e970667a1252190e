"""Make the picture of the product masks in docs/mask.md: ``make pictures``. It shows sample products only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from workers.images.decode import decode
from workers.images.limits import Limits
from workers.mask.product_mask import refine
from workers.mask.segmenter import Segmenter
from workers.tools.mask_files import mask_of

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (
    "lounge-chair",
    "teapot",
    "bath-towels",
    "notebooks",
    "headphones",
    "table-lamp",
    "shipping-boxes",
    "rubber-plant",
)
COLUMNS, TILE_PX = 4, 220
GROUND = (230, 0, 200)


def main() -> None:
    """Draw each product beside what of it was found, the ground in magenta."""
    segmenter = Segmenter()
    sheet = Image.new("RGB", (2 * TILE_PX * COLUMNS, TILE_PX * len(SHOWN) // COLUMNS), "white")
    for number, name in enumerate(SHOWN):
        (path,) = (ROOT / "samples" / "photos").glob(f"{name}.[jp][pn]g")
        photo = decode(path.read_bytes(), Limits(2**26, 25_000_000))
        share = refine(mask_of(photo, segmenter), photo.rgb)[..., np.newaxis] / 255
        found = (photo.rgb * share + np.array(GROUND) * (1 - share)).astype(np.uint8)
        for half, pixels in enumerate((photo.rgb, found)):
            tile = Image.fromarray(pixels)
            tile.thumbnail((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
            left, top = (2 * (number % COLUMNS) + half) * TILE_PX, number // COLUMNS * TILE_PX
            sheet.paste(tile, (left + (TILE_PX - tile.width) // 2, top + (TILE_PX - tile.height) // 2))
    sheet.save(ROOT / "docs" / "masks.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
