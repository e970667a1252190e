import numpy as np

from workers.images.compose import STRIP_PX, compose, shrink, working_size

RNG = np.random.default_rng(1)


def product_on_white(side: int = 120) -> np.ndarray:
    photo = np.full((side, side, 3), 255, np.uint8)
    photo[side // 3 : 2 * side // 3, side // 3 : 2 * side // 3] = (120, 60, 40)
    return photo


def test_strength_zero_is_the_photo_exactly() -> None:
    photo = RNG.integers(0, 256, (50, 40, 3), dtype=np.uint8)
    assert np.array_equal(compose(photo, photo, 255 - photo, strength=0, white="paint"), photo)


def test_full_strength_without_protection_is_the_paint() -> None:
    photo = RNG.integers(0, 256, (50, 40, 3), dtype=np.uint8)
    assert np.array_equal(compose(photo, photo, 255 - photo, strength=1, white="paint"), 255 - photo)


def test_a_white_background_is_kept_and_the_product_painted() -> None:
    photo = product_on_white()
    paint = np.full_like(photo, 90)
    kept = compose(photo, photo, paint, strength=1, white="keep")
    white = (photo == 255).all(axis=2)
    assert (kept[white] == 255).all(axis=1).mean() >= 0.95
    assert (kept[60, 60] == 90).all()
    assert (compose(photo, photo, paint, strength=1, white="paint") == 90).all()


def test_white_inside_a_scene_is_painted() -> None:
    photo = np.full((90, 90, 3), 80, np.uint8)
    photo[30:60, 30:60] = 255
    assert (compose(photo, photo, np.full_like(photo, 50), strength=1, white="keep") == 50).all()


def test_an_enlarged_picture_has_no_seams_between_strips_and_keeps_its_size() -> None:
    height = 2 * STRIP_PX + 50
    photo = np.broadcast_to(np.linspace(0, 200, height)[:, None, None], (height, 300, 3)).astype(np.uint8)
    small = shrink(photo, working_size(300, height, working_px=256, texture_scale=1))
    result = compose(photo, small, 255 - small, strength=1, white="paint")
    assert result.shape == photo.shape
    jumps = np.abs(np.diff(result[:, 150, 0].astype(int)))
    assert jumps[STRIP_PX - 1] <= 4
    assert jumps[2 * STRIP_PX - 1] <= 4


def test_the_working_size_never_exceeds_the_photo() -> None:
    assert working_size(300, 200, working_px=1024, texture_scale=1) == (300, 200)
    assert working_size(4000, 2000, working_px=1024, texture_scale=2) == (512, 256)
