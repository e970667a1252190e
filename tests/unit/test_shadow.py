import numpy as np
import pytest

from workers.images.photo import Photo
from workers.images.shadow import shadow
from workers.images.working import at_working_size

Y, X = np.mgrid[0:240, 0:320].astype(float)
CAST = np.exp(-(((X - 190) / 55) ** 2 + ((Y - 185) / 26) ** 2))
"""A soft shadow to the right of the product and below it."""


def shot(*, shadow_depth: float, ground: int = 255, tint: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    """A brown product on white with a shadow beside it, darker by so much, and tinted."""
    photo = ground - shadow_depth * CAST[..., None] * (1 - np.array(tint) / 255)
    photo[20:190, 60:170] = (120, 60, 40)
    pixels: np.ndarray = np.rint(photo).clip(0, 255).astype(np.uint8)
    return pixels


def weights(photo: np.ndarray) -> np.ndarray:
    return at_working_size(Photo(photo, None, "jpeg"), (320, 240), white="keep")[1]


@pytest.mark.parametrize("depth", [40, 70, 100])
@pytest.mark.parametrize("ground", [255, 244])
def test_a_soft_shadow_takes_no_paint_and_the_product_all_of_it(depth: int, ground: int) -> None:
    weight = weights(shot(shadow_depth=depth, ground=ground))
    in_shadow = (CAST > 0.3) & (X > 176)
    assert weight[in_shadow].mean() < 0.12 * 255
    assert (weight[24:186, 64:166] == 255).mean() > 0.97


def test_a_shadow_fades_into_the_ground_without_a_rim() -> None:
    weight = weights(shot(shadow_depth=70))
    assert weight[185, 190:].max() < 12


def test_what_is_tinted_or_has_an_edge_against_the_ground_is_no_shadow() -> None:
    tinted = shot(shadow_depth=120, tint=(255, 120, 0))
    assert weights(tinted)[185, 185] > 200
    grey_box = shot(shadow_depth=0)
    grey_box[120:190, 170:260] = 190
    assert (weights(grey_box)[125:185, 178:254] == 255).all()


def test_a_white_product_is_no_shadow() -> None:
    """A white sink: neutral, smooth, and here and there as bright as the ground."""
    bowl = 255 - 45 * np.clip(1.2 - (((X - 160) / 130) ** 2 + ((Y - 120) / 90) ** 2), 0, 1)
    photo = np.repeat(np.rint(bowl)[..., None], 3, 2).astype(np.uint8)
    photo[100:140, 150:170] = 120  # its drain
    assert (shadow(photo, np.where(bowl > 250, 0, 255).astype(np.uint8)) == 0).all()


@pytest.mark.parametrize("side", [1, 2, 16])
def test_a_picture_of_a_few_pixels_has_no_shadow_and_no_error(side: int) -> None:
    for level in (255, 128):
        photo = np.full((side, side, 3), level, np.uint8)
        assert at_working_size(Photo(photo, None, "png"), (side, side), white="keep")[1].shape == (side, side)
