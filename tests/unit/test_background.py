import numpy as np
import pytest

from workers.images.background import paint_weight


def shot(background: int, *, side: int = 120) -> np.ndarray:
    """A brown square product in the middle of a flat background."""
    photo = np.full((side, side, 3), background, np.uint8)
    photo[side // 3 : 2 * side // 3, side // 3 : 2 * side // 3] = (120, 60, 40)
    return photo


@pytest.mark.parametrize("background", [255, 250, 240])
def test_a_white_or_nearly_white_background_is_kept_and_the_product_painted(background: int) -> None:
    photo = shot(background)
    weight = paint_weight(photo)
    white = (photo == background).all(axis=2)
    assert (weight[white] == 0).mean() >= 0.95
    assert (weight[44:76, 44:76] == 255).all()


@pytest.mark.parametrize("background", [0, 90, 200])
def test_a_picture_whose_border_is_not_white_is_painted_everywhere(background: int) -> None:
    photo = shot(background)
    photo[50:70, 50:70] = 255
    assert (paint_weight(photo) == 255).all()


def test_a_hole_in_the_product_is_background_and_a_bright_patch_on_it_is_painted() -> None:
    photo = shot(255)
    photo[45:55, 45:55] = 255
    ramp = np.linspace(120, 254, 20).astype(np.uint8)
    photo[58:78, 50:70] = np.minimum(ramp[:, None], ramp[None, :])[..., None]
    weight = paint_weight(photo)
    assert (weight[47:53, 47:53] == 0).all()
    assert (weight[58:77, 50:69] == 255).all()


def test_the_weight_fades_in_a_soft_shadow() -> None:
    photo = np.full((100, 100, 3), 255, np.uint8)
    photo[40:60, 20:80] = np.linspace(255, 120, 60).astype(np.uint8)[None, :, None]
    row = paint_weight(photo)[50].astype(int)
    assert row[10] == 0
    assert row[75] == 255
    assert np.abs(np.diff(row[15:78])).max() < 80


def test_a_slow_change_of_the_background_gives_a_slow_change_of_its_protection() -> None:
    weights = [int(paint_weight(shot(level))[5, 5]) for level in range(216, 236, 2)]
    assert weights[0] == 255
    assert weights[-1] == 0
    assert weights == sorted(weights, reverse=True)
    assert max(np.abs(np.diff(weights))) < 80


def test_a_background_that_darkens_into_a_corner_is_kept_around_a_light_product() -> None:
    y, x = np.mgrid[0:120, 0:120] / 119
    photo = np.repeat(np.rint(248 - 26 * x * y)[..., None], 3, 2).astype(np.uint8)
    photo[40:80, 40:80] = 222  # as bright as the corner, but not as what surrounds it
    weight = paint_weight(photo)
    assert (weight[100:, 100:] == 0).mean() >= 0.95
    assert (weight[44:76, 44:76] >= 200).all()
