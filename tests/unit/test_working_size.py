"""What the generator is given of a photo, and where its paint goes."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from shared.models.versions import BUILT_IN
from workers.images.photo import Photo
from workers.images.working import at_working_size
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.tiles import paint

SAMPLE = Path(__file__).parents[2] / "samples" / "photos" / "handbag.jpg"


def cut_out(shadow: int) -> Photo:
    """A product cut out, on its right a black shadow under so much alpha."""
    with Image.open(SAMPLE) as image:
        rgb = np.array(image.convert("RGB").crop((400, 400, 800, 800)).resize((96, 96)))
    rgb = np.concatenate((rgb, np.full_like(rgb, 255)), 1)
    alpha = np.zeros((96, 192), np.uint8)
    alpha[:, :96] = 255
    if shadow:
        rgb[:, 100:180], alpha[:, 100:180] = 0, shadow
    return Photo(rgb, alpha, "png")


def painted(photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """The product's paint, and the weights."""
    small, weight = at_working_size(photo, (192, 96), white="keep")
    checkpoint = Checkpoint.load(BUILT_IN)
    pixels, area = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None] / 255, torch.from_numpy(weight)[None, None]
    with torch.inference_mode():
        made = paint(
            trunk_from_bytes(checkpoint.trunk), pixels, row_from_bytes(checkpoint.rows["udnie"])[None], area / 255
        )
    return 255 * made[0, :, :, :80].numpy(), weight


def test_a_soft_shadow_under_alpha_takes_no_paint_and_does_not_darken_the_product() -> None:
    (alone, _), (beside, weight) = painted(cut_out(0)), painted(cut_out(90))
    assert (weight[:, 100:] == 0).all()
    assert (weight[:, 8:90] == 255).mean() > 0.9
    assert abs(float(beside.mean() - alone.mean())) < 2
    assert float(np.abs(beside - alone).mean()) < 10


def test_a_product_that_is_opaque_but_for_its_rim_is_painted_whole() -> None:
    photo = cut_out(0)
    assert photo.alpha is not None
    photo.alpha[:, 94:97] = (220, 128, 40)
    small, weight = at_working_size(photo, (192, 96), white="paint")
    assert small.shape == (96, 192, 3)
    assert (weight[:, :94] == 255).all()
    assert weight[0, 94] > 200 > weight[0, 96]


def test_a_photo_without_alpha_on_white_keeps_its_white_unless_it_is_to_be_painted() -> None:
    rgb = np.full((64, 64, 3), 255, np.uint8)
    rgb[20:44, 20:44] = 90
    for white, expected in (("keep", 0), ("paint", 255)):
        _, weight = at_working_size(Photo(rgb, None, "jpeg"), (64, 64), white=white)
        assert weight[0, 0] == expected
        assert weight[32, 32] == 255
