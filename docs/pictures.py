"""Make the pictures of the README and the styles' thumbnails from the built-in checkpoint: ``make pictures``.

Everything shown is a sample product of this project, styled as the workers do it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from shared.look import parse_looks
from shared.models.default_protection import settle_protection
from shared.models.styles import StyleRow, read_definitions
from shared.settings import Settings
from workers.images.compose import compose, working_size
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.images.procedural.definition import effect_from_bytes
from workers.images.working import at_working_size
from workers.mask.product_mask import product_mask
from workers.mask.segmenter import Segmenter
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.runtime.painter import Painter
from workers.styling.product import find_details, painted_area, protected, strengths_of

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT = ROOT / "shared" / "checkpoint"
SHOWN = ("teapot", "sofa", "handbag", "face-cream")
BEFORE_AFTER = ("mug", (("great-wave", "none"), ("starry-night", "auto"), ("composition-vii", "none")))
PROTECTED = (("water-bottle", "udnie"), ("face-cream", "great-wave"), ("mug", "starry-night"))
PROTECTIONS = (("none", "none"), ("colour+lettering", "colour+lettering"), ("soft", "soft"), ("product", "product"))
THUMBNAIL = "teapot"
TILE_PX, THUMBNAIL_PX, LABEL_PX = 300, 256, 22


class Atelier:
    """The built-in checkpoint, ready to style sample products."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.checkpoint = Checkpoint.load(CHECKPOINT)
        self.definitions = {style.name: data for style, data in read_definitions(CHECKPOINT / "procedural.json")}
        self.kinds = {s.name: StyleRow(s.name, "", "", s.monochrome) for s in self.checkpoint.styles}
        self.segmenter = Segmenter()
        self.painter = Painter(torch.device("cpu"), lambda _: self.checkpoint.trunk)

    def style(self, product: str, style: str | None, protection: str = "auto") -> Image.Image:
        """Return a sample product in a style, or as it is; protected as the style's kind decides, or as said."""
        (path,) = (ROOT / "samples" / "photos").glob(f"{product}.[jp][pn]g")
        photo = decode(path.read_bytes(), Limits(2**26, 25_000_000))
        if style is None:
            return Image.fromarray(photo.rgb)
        size = working_size(photo.width, photo.height, working_px=self.settings.working_px, texture_scale=1)
        small, weight = at_working_size(photo, size, white="keep")
        if style in self.definitions:
            styled = effect_from_bytes(self.definitions[style]).apply(photo.rgb, 1.0)
            return Image.fromarray(compose(photo.rgb, photo.rgb, styled, weight, strength=1))
        (look,) = parse_looks([style], "1", 1.0, "keep", protection)
        look = settle_protection(look, self.kinds)
        found = product_mask(photo, size, self.segmenter)
        weight = painted_area(weight, found) if look.needs_mask else weight
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None]
        row = row_from_bytes(self.checkpoint.rows[style])[None]
        painted = self.painter.paint(self.checkpoint.trunk_sha256, pixels, torch.from_numpy(weight)[None, None], row)
        rgb = compose(photo.rgb, small, painted[0].permute(1, 2, 0).numpy(), weight, strength=1)
        if look.needs_mask:
            kept = find_details(photo.rgb, found, look)
            rgb = protected(photo.rgb, rgb, look, kept, strengths_of(look, kept))
        return Image.fromarray(rgb)


def tiles(pictures: list[tuple[Image.Image, str]], columns: int) -> Image.Image:
    """Lay out square tiles with their labels on white."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * TILE_PX, rows * (TILE_PX + LABEL_PX)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for index, (picture, label) in enumerate(pictures):
        left, top = index % columns * TILE_PX, index // columns * (TILE_PX + LABEL_PX)
        small = picture.copy()
        small.thumbnail((TILE_PX - 8, TILE_PX - 8), Image.Resampling.LANCZOS)
        sheet.paste(small, (left + (TILE_PX - small.width) // 2, top + (TILE_PX - small.height) // 2))
        draw.text((left + TILE_PX // 2, top + TILE_PX), label, fill="#333333", font=font, anchor="ma")
    return sheet


def _label(style: str, protection: str) -> str:
    return style if protection == "none" else f"{style}, in its own colour"


def main() -> None:
    """Write docs/before-after.jpg, docs/protection.jpg, docs/styles.jpg and a thumbnail per style."""
    atelier = Atelier()
    product, styles = BEFORE_AFTER
    pair = [
        (atelier.style(product, None), "the photo"),
        *((atelier.style(product, style, kept), _label(style, kept)) for style, kept in styles),
    ]
    tiles(pair, len(pair)).save(ROOT / "docs" / "before-after.jpg", quality=88)
    shown = [(atelier.style(p, style, kept), label) for p, style in PROTECTED for kept, label in PROTECTIONS]
    for row, (p, _) in enumerate(PROTECTED):
        shown.insert(row * (len(PROTECTIONS) + 1), (atelier.style(p, None), "the photo"))
    tiles(shown, len(PROTECTIONS) + 1).save(ROOT / "docs" / "protection.jpg", quality=85)
    names = [*(style.name for style in atelier.checkpoint.styles), *atelier.definitions]
    shown = [(atelier.style(SHOWN[(i + i // 4) % len(SHOWN)], name, "none"), name) for i, name in enumerate(names)]
    tiles(shown, 4).save(ROOT / "docs" / "styles.jpg", quality=82)
    (CHECKPOINT / "thumbnails").mkdir(exist_ok=True)
    for name in names:
        thumbnail = atelier.style(THUMBNAIL, name, "none")
        thumbnail.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
        thumbnail.save(CHECKPOINT / "thumbnails" / f"{name}.jpg", quality=85)


if __name__ == "__main__":
    main()
