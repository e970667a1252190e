"""Photos and style images that show next to nothing give a sensible picture or a refusal that says why."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import UsageError
from shared.models.versions import BUILT_IN
from workers.images.compose import Pixels, compose, working_size
from workers.images.photo import Photo
from workers.images.working import at_working_size
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.generator import Generator
from workers.model.learning.style_set import checked_style
from workers.model.tiles import paint

SAMPLES = Path(__file__).parents[2] / "samples" / "photos"


@cache
def built_in() -> tuple[Generator, torch.Tensor]:
    checkpoint = Checkpoint.load(BUILT_IN)
    return trunk_from_bytes(checkpoint.trunk), row_from_bytes(checkpoint.rows["starry-night"])[None]


@torch.inference_mode()
def rendition(rgb: Pixels, *, alpha: Pixels | None = None, white: str = "keep") -> Pixels:
    """A photo in the style starry-night, as a worker makes it."""
    trunk, row = built_in()
    size = working_size(rgb.shape[1], rgb.shape[0], working_px=768, texture_scale=1)
    small, weight = at_working_size(Photo(rgb, alpha, "png"), size, white=white)
    photo, area = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None] / 255, torch.from_numpy(weight)[None, None]
    painted = (paint(trunk, photo, row, area / 255)[0] * 255).round().to(torch.uint8)
    return compose(rgb, small, painted.permute(1, 2, 0).numpy(), weight, strength=1)


def flat(colour: tuple[int, int, int], height: int = 96, width: int = 120) -> Pixels:
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (200, 30, 40), (255, 255, 255)])
def test_a_photo_of_one_colour_is_painted_evenly(colour: tuple[int, int, int]) -> None:
    painted = rendition(flat(colour), white="paint").astype(float)
    assert np.ptp(painted, axis=(0, 1)).max() <= 40  # no frame, blob or burst of colour


def test_a_photo_of_white_alone_stays_white() -> None:
    assert (rendition(flat((255, 255, 255))) == 255).all()


@pytest.mark.parametrize("size", [(16, 16), (24, 40)])
def test_a_product_of_a_few_pixels_is_still_to_be_seen(size: tuple[int, int]) -> None:
    with Image.open(SAMPLES / "handbag.jpg") as image:
        rgb = np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    painted = rendition(rgb, white="paint")
    assert painted.shape == rgb.shape
    assert np.corrcoef(painted.mean(2).ravel(), rgb.mean(2).ravel())[0, 1] > 0.7


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (900, 2)])
def test_a_picture_of_a_line_of_pixels_keeps_its_size(size: tuple[int, int]) -> None:
    assert rendition(flat((200, 30, 40), *size)).shape == (*size, 3)


def test_a_photo_that_is_all_shadow_or_transparent_is_left_as_it_was() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (96, 120, 3), dtype=np.uint8)
    for alpha in (0, 60, 128):
        assert (rendition(rgb, alpha=np.full((96, 120), alpha, np.uint8)) == rgb).all()


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (torch.full((3, 200, 200), 90, dtype=torch.uint8), "nearly uniform"),
        (
            torch.full((3, 200, 200), 90, dtype=torch.uint8) + torch.randint(0, 4, (3, 200, 200), dtype=torch.uint8),
            "nearly uniform",
        ),
        (torch.randint(0, 256, (3, 200, 40), dtype=torch.uint8), "too small"),
    ],
)
def test_a_style_image_without_a_style_is_refused_by_name(image: torch.Tensor, reason: str) -> None:
    with pytest.raises(UsageError, match=f"flag.png is {reason}"):
        checked_style(image, "flag.png")


def test_a_style_image_of_colours_equally_light_has_a_style() -> None:
    image = torch.zeros(3, 100, 100, dtype=torch.uint8)
    image[0, :, ::2], image[1, :, 1::2] = 180, 180
    assert checked_style(image, "stripes.png") is image
