"""Frames of a photo, and how they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from shared.presets import Preset, Size
from workers.images.framing import Box, frame, product_box
from workers.images.resample import draw, draw_mask

SQUARE = Size.parse("600x600")


def preset(fit: str, **rules: float) -> Preset:
    return Preset("shop", ("600x600",), fit=fit, **rules)  # type: ignore[arg-type]  # each is a field


def shot(width: int = 800, height: int = 400, *, ground: int = 240) -> tuple[np.ndarray, Box]:
    """Return a dark product on an even ground, and its box."""
    rgb = np.full((height, width, 3), ground, np.uint8)
    box = Box(width * 0.4, height * 0.25, width * 0.6, height * 0.75)
    rgb[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = (40, 60, 90)
    return rgb, box


@pytest.mark.parametrize("size", [(800, 400), (400, 800), (3000, 200), (500, 500)])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_a_product_on_a_plain_ground_fills_its_share_of_the_canvas(fit: str, size: tuple[int, int]) -> None:
    rgb, box = shot(*size)
    view = frame(*size, preset(fit, fill=0.8), SQUARE, box, plain=True)
    drawn, _ = draw(rgb, None, view, box)
    assert view.width == view.height
    assert view.fill(box) == pytest.approx(0.8, abs=0.01)
    dark = drawn.max(axis=2) < 150
    extent = max(dark.any(axis=0).sum(), dark.any(axis=1).sum()) / view.width
    assert extent == pytest.approx(0.8, abs=0.02)
    assert set(np.unique(drawn[[0, -1]])) == {240}  # the ground goes on


def test_a_photo_is_enlarged_only_as_far_as_the_channel_needs() -> None:
    def side(**rules: float) -> int:
        return frame(100, 100, preset("whole", **rules), SQUARE, None, plain=False).width

    assert side() == 100
    assert side(enlarge=2.0) == 100
    assert side(enlarge=2.0, min_side=150) == 150
    assert side(enlarge=2.0, min_side=500) == 200


def test_a_tiny_photo_gives_a_tiny_file_of_the_right_shape() -> None:
    for fit in ("pad", "crop", "whole"):
        view = frame(16, 10, preset(fit, enlarge=2.0), SQUARE, None, plain=False)
        drawn, _ = draw(np.zeros((10, 16, 3), np.uint8), None, view, None)
        assert drawn.shape == (view.height, view.width, 3)
        assert fit == "whole" or view.width == view.height


@pytest.mark.parametrize("size", [(25_000, 40), (1, 5000), (1, 1)])
@pytest.mark.parametrize("fit", ["pad", "crop", "whole"])
def test_an_extreme_shape_takes_no_more_memory_than_its_file(fit: str, size: tuple[int, int]) -> None:
    view = frame(*size, preset(fit), SQUARE, None, plain=False)
    drawn, _ = draw(np.zeros((size[1], size[0], 3), np.uint8), None, view, None)
    assert 1 <= drawn.shape[0] <= 600
    assert 1 <= drawn.shape[1] <= 600


def test_a_scene_is_cut_around_its_product_and_never_padded() -> None:
    view = frame(800, 400, preset("crop"), SQUARE, Box(600, 100, 780, 300), plain=False)
    assert (view.window.left, view.window.top, view.window.right, view.window.bottom) == (400, 0, 800, 400)


def test_light_adds_up_where_a_picture_is_made_smaller() -> None:
    """A fine checkerboard of black and white gives half the light, which sRGB writes as 188 and not as 128."""
    board = np.indices((256, 256)).sum(axis=0) % 2 * 255
    rgb = np.repeat(board[..., np.newaxis], 3, axis=2).astype(np.uint8)
    view = frame(256, 256, Preset("shop", ("64x64",)), Size.parse("64x64"), None, plain=False)
    drawn, _ = draw(rgb, None, view, None)
    assert abs(int(np.median(drawn)) - 188) <= 1


def test_edges_stay_as_sharp_as_the_file_allows() -> None:
    rgb = np.zeros((512, 512, 3), np.uint8)
    rgb[:, 256:] = 255
    drawn, _ = draw(
        rgb, None, frame(512, 512, Preset("shop", ("128x128",)), Size.parse("128x128"), None, plain=False), None
    )
    row = drawn[64, :, 0].astype(int)
    assert (abs(np.diff(row)) > 30).sum() <= 2


def test_what_is_not_scaled_keeps_every_pixel() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (300, 500, 3), np.uint8)
    view = frame(500, 300, preset("crop"), SQUARE, None, plain=False)
    drawn, _ = draw(noise, None, view, None)
    assert np.array_equal(drawn, noise[:, 100:400])


def test_colour_under_alpha_bleeds_into_nothing() -> None:
    rgb = np.full((200, 200, 3), 255, np.uint8)
    alpha = np.zeros((200, 200), np.uint8)
    rgb[50:150, 50:150], alpha[50:150, 50:150] = (200, 30, 30), 255
    view = frame(200, 200, Preset("shop", ("70x70",)), Size.parse("70x70"), None, plain=False)
    drawn, cover = draw(rgb, alpha, view, None)
    assert cover is not None
    assert cover[0, 0] == 0
    assert (abs(drawn[cover > 20].astype(int) - (200, 30, 30)) <= 2).all()


def test_a_shadow_is_not_mirrored_into_the_ground_beyond() -> None:
    rgb, box = shot(400, 400)
    rgb[340:370] = 200  # a shadow below the product, with ground below it
    view = frame(400, 400, preset("pad", fill=0.3), SQUARE, box, plain=True)
    drawn, _ = draw(rgb, None, view, box)
    dim = (abs(drawn[:, 5].astype(int).mean(axis=1) - 200) < 10).sum() / view.height
    assert dim < 30 / view.window.height * 1.3


def test_a_mask_is_drawn_in_the_same_place_as_its_picture() -> None:
    rgb, box = shot()
    weight = (rgb.max(axis=2) < 150).astype(np.uint8) * 255
    view = frame(800, 400, preset("pad", fill=0.5), SQUARE, box, plain=True)
    drawn, _ = draw(rgb, None, view, box)
    assert ((draw_mask(weight, view) > 127) == (drawn.max(axis=2) < 150)).mean() > 0.99


def test_specks_do_not_widen_the_box() -> None:
    weight = np.zeros((100, 100), np.uint8)
    weight[30:70, 30:70], weight[2, 2] = 255, 255
    assert product_box(weight, 1000, 500) == Box(300, 150, 700, 350)
    assert product_box(np.zeros((10, 10), np.uint8), 10, 10) is None


def test_ten_thousand_beads_are_one_product() -> None:
    weight = np.zeros((400, 400), np.uint8)
    weight[::4, ::4] = 255
    assert product_box(weight, 400, 400) == Box(0, 0, 397, 397)
