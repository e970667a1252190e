import numpy as np

from workers.images.compose import STRIP_ROWS, compose, shrink, working_size

RNG = np.random.default_rng(1)


def everywhere(photo: np.ndarray) -> np.ndarray:
    return np.full(photo.shape[:2], 255, np.uint8)


def test_strength_zero_is_the_photo_exactly() -> None:
    photo = RNG.integers(0, 256, (50, 40, 3), dtype=np.uint8)
    assert np.array_equal(compose(photo, photo, 255 - photo, everywhere(photo), strength=0), photo)


def test_full_strength_without_protection_is_the_paint() -> None:
    photo = RNG.integers(0, 256, (50, 40, 3), dtype=np.uint8)
    assert np.array_equal(compose(photo, photo, 255 - photo, everywhere(photo), strength=1), 255 - photo)


def test_pixels_of_no_weight_stay_the_photo() -> None:
    photo = RNG.integers(0, 256, (50, 40, 3), dtype=np.uint8)
    weight = everywhere(photo)
    weight[:, :20] = 0
    composed = compose(photo, photo, 255 - photo, weight, strength=1)
    assert np.array_equal(composed[:, :20], photo[:, :20])
    assert np.array_equal(composed[:, 20:], 255 - photo[:, 20:])


def test_an_enlarged_picture_has_no_seams_between_strips_and_keeps_its_size() -> None:
    height = 2 * STRIP_ROWS + 50
    photo = np.broadcast_to(np.linspace(0, 200, height)[:, None, None], (height, 300, 3)).astype(np.uint8)
    small = shrink(photo, working_size(300, height, working_px=256, texture_scale=1))
    result = compose(photo, small, 255 - small, everywhere(small), strength=1)
    assert result.shape == photo.shape
    jumps = np.abs(np.diff(result[:, 150, 0].astype(int)))
    assert jumps[STRIP_ROWS - 1] <= 4
    assert jumps[2 * STRIP_ROWS - 1] <= 4


def test_fine_detail_comes_back_where_paint_and_photo_agree_and_nowhere_else() -> None:
    """Stripes of 8 pixels with hair lines on them; the paint follows the stripes on the left half only."""
    stripes = np.repeat(np.repeat([[60, 180]], 40, 0).reshape(1, -1), 8, 1).repeat(160, 0)[:, :320]
    photo = np.repeat(stripes[..., None], 3, 2).astype(np.uint8)
    photo[::16] -= 40
    small = shrink(photo, (160, 80))
    painted = (small // 2 + 80).astype(np.uint8)
    painted[:, 80:] = 255 - painted[:, 80:]
    result = compose(photo, small, painted, everywhere(small), strength=1).astype(int)
    lines = (result[8::16] - result[::16])[:-1].mean((0, 2))
    assert lines[20:140].mean() > 2 * lines[180:300].mean()
    assert lines[20:140].mean() > 25, "the photo's hair lines are there"


def test_noise_on_flat_places_of_the_photo_does_not_come_back() -> None:
    photo = RNG.integers(126, 130, (200, 200, 3), dtype=np.uint8)
    small = shrink(photo, (100, 100))
    result = compose(photo, small, np.full_like(small, 90), everywhere(small), strength=1)
    assert (result == 90).all()


def test_the_working_size_never_exceeds_the_photo() -> None:
    assert working_size(300, 200, working_px=1024, texture_scale=1) == (300, 200)
    assert working_size(4000, 2000, working_px=1024, texture_scale=2) == (512, 256)


def test_photos_of_nearly_one_shape_are_painted_at_one_size_and_never_enlarged() -> None:
    sizes = {working_size(4000, height, working_px=768, texture_scale=1) for height in range(2990, 3011)}
    assert sizes == {(768, 576)}
    assert working_size(4000, 30, working_px=768, texture_scale=1) == (768, 6)
    for width, height in ((770, 769), (769, 770), (1000, 90), (900, 899)):
        working = working_size(width, height, working_px=768, texture_scale=1)
        assert max(working) == 768
        assert all(small <= large for small, large in zip(working, (width, height), strict=True))


def test_a_blend_is_exact_to_within_half_a_level() -> None:
    photo, paint = RNG.integers(0, 256, (2, 80, 64, 3), dtype=np.uint8)
    weight = RNG.integers(0, 256, (80, 64), dtype=np.uint8)
    exact = photo + (paint.astype(float) - photo) * (np.rint(weight * 0.6) / 255)[..., None]
    assert np.abs(compose(photo, photo, paint, weight, strength=0.6) - exact).max() <= 0.5


def test_the_texture_scale_sizes_strokes_relative_to_the_picture_at_any_resolution() -> None:
    """1 megapixel and 12 megapixels in strokes as on 512 px; a small one in twice its own."""
    for width, height in ((1200, 900), (4000, 3000)):
        assert working_size(width, height, working_px=768, texture_scale=1.5) == (512, 384)
    assert working_size(512, 384, working_px=768, texture_scale=1) == (512, 384)
    assert working_size(512, 384, working_px=768, texture_scale=2) == (256, 192)
