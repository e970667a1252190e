"""Draw which parts of a style image a rendition resembles: regions of the rendition, places of the style image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from workers.drawing.picture_row import INK, MARGIN_PX, PANEL_PX, fit, font, picture_row
from workers.model.measures.resemblance import GRID_PX, Place, Resemblances

Pixels = npt.NDArray[np.uint8]

SHOWN_PX = 84
"""Side of the cut-out around a place, about what a patch sees."""

CROP_PX = 112
GAP_PX = 4
BADGE_PX = 22
COLOURS = ("#e6194b", "#0082c8", "#f58231", "#3cb44b", "#911eb4", "#008080", "#f032e6", "#7a5c00")


def resemblance_picture(rendition: Pixels, style: Pixels, resemblances: Resemblances) -> Image.Image:
    """Draw a rendition and the style image, uint8 (H, W, 3) as compared, and the pairs of places below."""
    left, right = (fit(Image.fromarray(pixels), PANEL_PX) for pixels in (rendition, style))
    _boxes(left, [place.rendition for place in resemblances.places], left.width / rendition.shape[1])
    _boxes(right, [place.style for place in resemblances.places], right.width / style.shape[1])
    regions = Image.fromarray(_by_region(rendition, resemblances))
    panels = [(left, "rendition"), (regions, "the place that each part resembles most"), (right, "style image")]
    step = 2 * CROP_PX + GAP_PX + MARGIN_PX
    made, foot = picture_row(panels, (len(resemblances.places) * step - MARGIN_PX, BADGE_PX + CROP_PX))
    draw = ImageDraw.Draw(made)
    for index, place in enumerate(resemblances.places):
        x = MARGIN_PX + index * step
        _badge(draw, (x + BADGE_PX // 2, foot + BADGE_PX // 2 - 3), index)
        label = f"{place.share:.0%}, likeness {place.likeness:.2f}"
        draw.text((x + BADGE_PX + 6, foot), label, fill=INK, font=font())
        made.paste(_crop(rendition, place.rendition), (x, foot + BADGE_PX))
        made.paste(_crop(style, place.style), (x + CROP_PX + GAP_PX, foot + BADGE_PX))
    return made


def _by_region(rendition: Pixels, resemblances: Resemblances) -> Pixels:
    """Return the lightness of a rendition in the colours of its regions; parts left out become pale."""
    height, width = rendition.shape[:2]
    rows, columns = (
        np.minimum(np.arange(side) // GRID_PX, positions - 1)
        for side, positions in zip((height, width), resemblances.regions.shape, strict=True)
    )
    regions = resemblances.regions.numpy()[rows][:, columns]
    palette = np.array([*map(_rgb, COLOURS), (255, 255, 255)], np.float32)
    grey = rendition.mean(2, keepdims=True)
    weight = np.where(regions < 0, 0.85, 0.55)[..., np.newaxis]
    coloured: Pixels = np.rint(grey * (1 - weight) + palette[regions] * weight).astype(np.uint8)
    return coloured


def _boxes(picture: Image.Image, places: Sequence[Place], factor: float) -> None:
    """Draw the patch at each place, given in pixels of the picture before it was scaled by ``factor``."""
    draw, half = ImageDraw.Draw(picture), SHOWN_PX / 2
    boxes = [(factor * (x - half), factor * (y - half), factor * (x + half), factor * (y + half)) for x, y in places]
    for box, colour in zip(boxes, COLOURS, strict=False):
        draw.rectangle(box, outline="white", width=4)
        draw.rectangle(box, outline=colour, width=2)
    for index, box in enumerate(boxes):  # on top of all boxes
        _badge(draw, (max(BADGE_PX // 2, round(box[0])), max(BADGE_PX // 2, round(box[1]))), index)


def _badge(draw: ImageDraw.ImageDraw, centre: tuple[int, int], index: int) -> None:
    draw.circle(centre, BADGE_PX / 2, fill=COLOURS[index], outline="white", width=2)
    draw.text(centre, str(index + 1), fill="white", font=font(), anchor="mm")


def _crop(pixels: Pixels, place: Place) -> Image.Image:
    """Cut out the surroundings of a place, shifted inwards at the border."""
    height, width = pixels.shape[:2]
    side = min(SHOWN_PX, height, width)
    x, y = (min(max(0, centre - side // 2), limit - side) for centre, limit in zip(place, (width, height), strict=True))
    return Image.fromarray(pixels[y : y + side, x : x + side]).resize((CROP_PX, CROP_PX), Image.Resampling.LANCZOS)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
