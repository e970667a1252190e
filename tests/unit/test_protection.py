"""What of the product stays in the pixels: colour, surface, lettering."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from workers.images.lab import lab_of, linear_of, linear_of_lab, srgb_of
from workers.images.lettering import keep_lettering, lettering_mask
from workers.images.protection import Kept, Pixels, protect
from workers.model.measures.colour_difference import ciede2000, to_lab

SIDE = 192
MIDDLE = slice(48, 144)


def filled(colour: tuple[int, int, int], ground: tuple[int, int, int] = (250, 250, 250)) -> Pixels:
    """A product of one colour on its ground."""
    photo = np.full((SIDE, SIDE, 3), ground, np.uint8)
    photo[MIDDLE, MIDDLE] = colour
    return photo


def strokes() -> Pixels:
    """A painting with the same blue and yellow strokes everywhere."""
    pattern = (np.add.outer(np.arange(SIDE), np.arange(SIDE)) // 6) % 2
    return np.where(
        pattern[..., np.newaxis], np.array((30, 60, 150), np.uint8), np.array((220, 200, 80), np.uint8)
    ).astype(np.uint8)


def product_mask() -> Pixels:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[MIDDLE, MIDDLE] = 255
    return mask


def tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def colour_error(photo: Pixels, rendition: Pixels) -> float:
    """CIEDE2000 between the mean colours of the product."""
    means = [
        pixels[MIDDLE, MIDDLE].mean((0, 1)).astype(np.float32)[np.newaxis, np.newaxis] for pixels in (photo, rendition)
    ]
    before, after = (to_lab(tensor(mean)) for mean in means)
    return float(ciede2000(before, after))


def test_lab_is_that_of_the_measures_and_back_gives_the_same_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    lab = lab_of(linear_of(pixels))
    expected = to_lab(tensor(pixels))[0].numpy()
    assert np.allclose(np.stack(lab), expected, atol=0.01)
    assert np.abs(srgb_of(linear_of_lab(lab)).astype(int) - pixels).max() <= 1


HUES = [tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue / 6, 0.8, 0.8)) for hue in range(6)]


@pytest.mark.parametrize("colour", [*HUES, (12, 12, 12), (128, 128, 128), (245, 245, 245), (255, 0, 0), (255, 230, 0)])
def test_a_product_keeps_its_colour_and_gets_the_strokes(colour: tuple[int, int, int]) -> None:
    photo, painting = filled(colour), strokes()
    kept = protect(photo, painting, product_mask(), Kept(colour=True))
    assert colour_error(photo, kept) < 10
    assert colour_error(photo, kept) < colour_error(photo, painting)
    hue = [
        np.degrees(np.arctan2(*(plane[MIDDLE, MIDDLE].mean() for plane in lab_of(linear_of(p))[:0:-1])))
        for p in (photo, kept)
    ]
    if max(colour) - min(colour) > 20:
        assert abs((hue[0] - hue[1] + 180) % 360 - 180) < 8
    else:
        assert np.abs(np.diff(kept[MIDDLE, MIDDLE].astype(int), axis=2)).max() <= 3
    if 40 < np.mean(colour) < 215:
        assert kept[MIDDLE, MIDDLE].mean(2).std() > 8
    assert (kept[product_mask() == 0] == painting[product_mask() == 0]).all()


def test_a_soft_mask_leaves_no_seam() -> None:
    photo, painting = (np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in ((180, 40, 40), (40, 60, 160)))
    ramp = np.clip(np.linspace(-100, 355, SIDE), 0, 255).astype(np.uint8)
    kept = protect(photo, painting, np.tile(ramp, (SIDE, 1)), Kept(colour=True))
    assert np.abs(np.diff(kept[SIDE // 2].astype(int), axis=0)).max() <= 8


def test_a_kept_product_is_the_photo_and_a_soft_one_lies_between() -> None:
    photo, painting, mask = filled((180, 40, 40)), strokes(), product_mask()
    whole = protect(photo, painting, mask, Kept(product=1.0))
    assert (whole[mask == 255] == photo[mask == 255]).all()
    assert (whole[mask == 0] == painting[mask == 0]).all()
    half = protect(photo, painting, mask, Kept(product=0.5))
    between = (photo[mask == 255].astype(int) + painting[mask == 255]) / 2
    assert np.abs(half[mask == 255] - between).max() <= 1


def test_a_contact_shadow_stays_on_a_painted_scene() -> None:
    photo, painting = filled((180, 40, 40), ground=(200, 190, 180)), np.full((SIDE, SIDE, 3), (90, 110, 150), np.uint8)
    photo[144:156, MIDDLE] = (90, 85, 80)
    kept = protect(photo, painting, product_mask(), Kept(product=1.0, shadows=True))
    assert kept[146:152, MIDDLE].mean() < kept[10:30, MIDDLE].mean() - 15


def test_an_empty_mask_changes_nothing() -> None:
    painting = strokes()
    nowhere = np.zeros((SIDE, SIDE), np.uint8)
    for kept in (Kept(colour=True), Kept(product=1.0, shadows=True)):
        assert (protect(filled((180, 40, 40)), painting, nowhere, kept) == painting).all()


def label(
    text: str, ink: tuple[int, int, int] = (40, 40, 40), ground: tuple[int, int, int] = (230, 225, 215)
) -> Pixels:
    picture = Image.new("RGB", (480, 160), ground)
    ImageDraw.Draw(picture).text((40, 50), text, fill=ink, font=ImageFont.load_default(44))
    return np.array(picture)


@pytest.mark.parametrize("inks", [((40, 40, 40), (230, 225, 215)), ((240, 240, 240), (60, 90, 70))])
def test_lettering_is_found_dark_on_light_and_light_on_dark(
    inks: tuple[tuple[int, int, int], tuple[int, int, int]],
) -> None:
    photo = label("LUMEA 50 ml", *inks)
    found = lettering_mask(photo)
    ink = np.abs(photo.astype(int) - inks[1]).max(2) > 100
    assert found[ink].mean() > 200
    assert found[:20].max() == 0


def test_texture_is_no_lettering() -> None:
    noise = np.random.default_rng(3).normal(128, 30, (300, 300, 1)).clip(0, 255).astype(np.uint8)
    assert lettering_mask(np.repeat(noise, 3, axis=2)).mean() < 255 * 0.02


def test_lettering_keeps_its_contrast_on_a_painted_label() -> None:
    photo = label("LUMEA 50 ml")
    painting = np.random.default_rng(4).integers(0, 120, photo.shape, dtype=np.uint8)
    kept = keep_lettering(photo, painting, lettering_mask(photo))
    ink = photo.mean(2) < 60
    around = (lettering_mask(photo) > 250) & (photo.mean(2) > 200)
    assert kept[around].mean() - kept[ink].mean() > 100
    assert (kept[:20] == painting[:20]).all()
