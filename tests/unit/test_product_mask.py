from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tests.drawn_products import RING, X, Y, ring_on
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.images.photo import Photo
from workers.mask.fusion import join
from workers.mask.measures import boundary_f, iou
from workers.mask.plain_ground import plain_ground
from workers.mask.product_mask import MaskOrigin, ProductMask, product_mask, refine
from workers.mask.segmenter import Segmenter

SIZE = (320, 240)
TRUE = 255 * RING.astype(np.uint8)
SAMPLES = Path(__file__).parents[2] / "samples" / "photos"


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter()


@pytest.mark.parametrize("ground", [(252, 252, 252), (190, 190, 190), (120, 170, 190), (230, 180, 200), (30, 30, 34)])
def test_a_plain_ground_of_any_colour_is_told_from_the_product_and_its_shadow(ground: tuple[int, int, int]) -> None:
    mask = product_mask(Photo(ring_on(ground, shadow=0.15), None, "jpeg"), SIZE)
    assert mask.origin == MaskOrigin.PLAIN
    assert iou(mask.weight, TRUE) > 0.96
    assert boundary_f(mask.weight, TRUE) > 0.95
    assert mask.weight[90, 130] == 0, "the hole is open"
    assert mask.confidence > 0.5


def test_a_cut_out_keeps_its_soft_alpha_and_loses_its_shadow() -> None:
    alpha = np.where(RING, 255, 0).astype(np.uint8)
    alpha[40:200, 231:234] = 120  # a soft edge, thin
    alpha[195:230, 60:240] = np.where(RING[195:230, 60:240], 255, 90)  # a shadow, broad and black
    rgb = np.where((Y < 195)[..., None] | RING[..., None], (150, 60, 40), 0).astype(np.uint8)
    mask = product_mask(Photo(rgb, alpha, "png"), SIZE)
    assert (mask.origin, mask.confidence) == (MaskOrigin.ALPHA, 1.0)
    assert (mask.weight[60:180, 232] == 120).all()
    assert mask.weight[215, 150] == 0
    assert (mask.weight[RING & (Y < 190)] == 255).all()


def test_alpha_that_is_all_clear_shows_no_product() -> None:
    clear = Photo(np.full((240, 320, 3), 255, np.uint8), np.zeros((240, 320), np.uint8), "png")
    mask = product_mask(clear, (160, 120))
    assert mask.confidence == 0
    assert not mask.weight.any()


def test_rounded_corners_are_no_cut_out() -> None:
    alpha = np.full((240, 320), 255, np.uint8)
    alpha[:12, :12] = alpha[-12:, -12:] = 0
    mask = product_mask(Photo(ring_on((200, 200, 200)), alpha, "png"), SIZE)
    assert mask.origin == MaskOrigin.PLAIN
    assert iou(mask.weight, TRUE) > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (700, 2), (33, 31)])
def test_any_shape_and_size_has_a_mask_of_the_size_asked_for(shape: tuple[int, int], segmenter: Segmenter) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    mask = product_mask(Photo(rgb, None, "png"), (shape[1], shape[0]), segmenter)
    assert mask.weight.shape == shape
    assert refine(mask, rgb).shape == shape


def test_where_the_plain_way_and_the_network_disagree_over_more_than_an_edge_the_network_decides() -> None:
    photo = ring_on((230, 230, 230), shadow=0.4)  # too deep a shadow for the plain way alone
    photo[80:140, 180:210] = (229, 229, 228)  # a label as light as the ground
    ground = plain_ground(photo)
    assert iou(ground.product, TRUE) < 0.9
    shrunk = Image.fromarray(ndimage.binary_erosion(RING, iterations=3).astype(np.float32)).resize((160, 120))
    joined = join(ground, np.asarray(shrunk))
    assert iou(joined, TRUE) > 0.95, "and an outline that is only unsharp is left to the plain way"


def test_a_spot_amid_the_product_that_the_network_takes_for_ground_is_no_hole() -> None:
    ground = plain_ground(ring_on((230, 230, 230)))
    chance = RING.astype(np.float32)
    chance[140:165, 140:170] = 0
    assert (join(ground, chance)[140:165, 140:170] == 255).all()
    assert join(ground, chance)[90, 130] == 0, "the product's own hole stays open"


def test_a_cream_part_that_the_network_misses_stays_and_a_shadow_goes() -> None:
    photo = np.full((240, 320, 3), 255, np.uint8)
    photo[40:120, 110:210] = (255, 254, 240)  # a lampshade
    photo[120:200, 140:180] = (40, 70, 150)
    fall = np.clip(1 - np.hypot((X - 215) / 60, (Y - 195) / 32), 0, 1)
    photo = (photo * (1 - 0.3 * fall)[..., None]).astype(np.uint8)
    photo[120:200, 140:180] = (40, 70, 150)
    true = np.zeros((240, 320), np.uint8)
    true[40:120, 110:210] = true[120:200, 140:180] = 255
    base = np.zeros((240, 320), np.float32)
    base[120:200, 140:180] = 1
    assert iou(join(plain_ground(photo), base), true) > 0.93


def test_a_highlight_is_filled_and_a_hole_that_the_network_sees_through_stays_open() -> None:
    photo = ring_on((255, 255, 255))
    photo[120:126, 180:210] = 255  # a highlight
    chance = np.where(RING, 0.95, 0.05).astype(np.float32)
    joined = join(plain_ground(photo), chance)
    assert joined[123, 195] == 255
    assert joined[90, 130] == 0


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_has_no_product(level: int, segmenter: Segmenter) -> None:
    flat = Photo(np.full((240, 320, 3), level, np.uint8), None, "png")
    for mask in (product_mask(flat, SIZE), product_mask(flat, SIZE, segmenter)):
        assert mask.confidence < 0.2


def test_a_texture_has_no_confident_mask(segmenter: Segmenter) -> None:
    weave = (128 + 60 * np.sin(X / 3) * np.cos(Y / 4))[..., None] * np.array((1.0, 0.8, 0.6))
    mask = product_mask(Photo(weave.astype(np.uint8), None, "png"), SIZE, segmenter)
    assert mask.confidence < 0.5


def test_without_the_network_a_scene_is_all_product_and_not_confident() -> None:
    scene = np.random.default_rng(2).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    mask = product_mask(Photo(scene, None, "png"), SIZE)
    assert mask.confidence == 0
    assert (mask.weight == 255).all()


def test_refining_fits_a_coarse_mask_to_the_edges_of_a_larger_photo() -> None:
    photo = np.asarray(Image.fromarray(ring_on((235, 235, 235))).resize((960, 720), Image.Resampling.LANCZOS))
    true = np.asarray(Image.fromarray(TRUE).resize((960, 720), Image.Resampling.NEAREST))
    coarse = np.asarray(Image.fromarray(TRUE).resize((24, 18), Image.Resampling.BOX).resize(SIZE))
    fine = refine(ProductMask(coarse, 1.0, MaskOrigin.NETWORK), photo)
    enlarged = np.asarray(Image.fromarray(coarse).resize((960, 720)))
    assert iou(fine, true) > 0.97 > iou(enlarged, true)


@pytest.mark.parametrize(("sample", "inside"), [("bath-towels.jpg", (0.45, 0.45)), ("mug.jpg", (0.3, 0.4))])
def test_the_network_finds_a_product_in_a_scene_and_closes_what_is_as_white_as_the_ground(
    sample: str, inside: tuple[float, float], segmenter: Segmenter
) -> None:
    photo = decode((SAMPLES / sample).read_bytes(), Limits(2**26, 10**8))
    mask = product_mask(photo, (512, 384), segmenter)
    assert mask.weight[round(384 * inside[1]), round(512 * inside[0])] > 200
    assert mask.weight[:8, :8].max() < 60
    assert 0.03 < mask.weight.mean() / 255 < 0.7
