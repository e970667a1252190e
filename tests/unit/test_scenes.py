"""Products on other grounds: no trace of the old one, one place in the frame, and a shadow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from shared.background import Background, Ground, normal_form, parse_background
from shared.errors import UsageError
from shared.look import Look, LookChanges, parse_mix
from shared.merchants.backgrounds import settle_background
from shared.presets import require_alpha
from workers.images.photo import Photo
from workers.images.scene.foreground import own_colours
from workers.images.scene.ground import filling, flat, gradient
from workers.images.scene.placement import FILL, Placement, place
from workers.images.scene.scene import Cut, cut_out, over
from workers.images.scene.shade import drawn_shade, own_shade
from workers.styling.background_cache import BackgroundCache
from workers.styling.scene import Pixels, set_scene

SIDE = 240
RED, GREEN, BLUE = (200, 30, 30), (60, 190, 60), (30, 40, 200)
LOOK = Look(parse_mix("udnie"))


class NoPictures(BackgroundCache):
    """For scenes that need none."""

    def __init__(self) -> None:
        """Have no store."""


def disc(ground: tuple[int, int, int], box: tuple[int, int, int, int], side: int = SIDE) -> tuple[Pixels, Pixels]:
    """Return a red disc on a ground, antialiased, and its true alpha."""
    drawn = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(drawn).ellipse([4 * edge for edge in box], fill=255)
    alpha = np.asarray(drawn.resize((side, side), Image.Resampling.BOX))
    share = alpha[..., np.newaxis] / 255
    return np.rint(share * RED + (1 - share) * np.array(ground)).astype(np.uint8), alpha


def packshot(level: int = 255) -> Photo:
    """A red disc low in a white frame."""
    rgb, _ = disc((level, level, level), (90, 130, 150, 190))
    return Photo(rgb, None, "png")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("white", Background(Ground.COLOUR, ((255, 255, 255),))),
        ("#ff8000", Background(Ground.COLOUR, ((255, 128, 0),))),
        ("gradient:#000000,#ffffff", Background(Ground.GRADIENT, ((0, 0, 0), (255, 255, 255)))),
        ("transparent", Background(Ground.TRANSPARENT)),
        ("picture:oak-table", Background(Ground.PICTURE, picture="oak-table")),
    ],
)
def test_a_background_is_what_its_text_says(text: str, expected: Background) -> None:
    assert parse_background(normal_form(f" {text.upper()} ")) == expected


@pytest.mark.parametrize(
    "text", ["blue", "#fff", "gradient:#000000", "gradient:#000000,#fff", "picture:", "picture:../x", "white:1", "#"]
)
def test_a_background_that_cannot_be_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(UsageError, match="choose keep, white") as refused:
        normal_form(text)
    assert refused.value.code == "bad_background"


def test_a_look_without_a_background_is_stored_as_before() -> None:
    assert "background" not in LOOK.to_json()
    assert normal_form("keep") == ""
    changed = LookChanges(background="White").applied(LOOK)
    assert changed.background == "white"
    assert Look.from_json(changed.to_json()) == changed
    assert LookChanges(background="keep").applied(changed) == LOOK
    digests = {one.digest({"udnie": "a" * 64}, {}) for one in (LOOK, changed)}
    assert len(digests) == 2


def test_a_picture_is_named_by_its_hash_once_it_is_looked_up() -> None:
    look, pictures = LookChanges(background="picture:oak").applied(LOOK), {"oak": "ab" * 32}
    settled = settle_background(look, pictures)
    assert settled.background == f"picture:{'ab' * 32}"
    assert settle_background(settled, pictures) == settled, "as a failed image is submitted again"
    for foreign in (look, settled):
        with pytest.raises(UsageError, match="unknown background picture"):
            settle_background(foreign, {"pine": "cd" * 32})
    assert settle_background(LOOK, {}) == LOOK


def test_a_cut_out_needs_a_format_with_transparency() -> None:
    with pytest.raises(UsageError, match="jpeg has no transparency"):
        require_alpha(["transparent"], ["png", "jpeg"])
    require_alpha(["transparent"], ["png", "webp"])
    require_alpha(["white", ""], ["jpeg"])


def test_no_trace_of_the_old_ground_stays_at_the_edge() -> None:
    rgb, alpha = disc(GREEN, (60, 60, 180, 180))
    edge = (alpha > 40) & (alpha < 215)
    own = own_colours(rgb, alpha)[edge].astype(int)
    assert np.abs(own - RED).max() <= 12
    laid = over(Cut(own_colours(rgb, alpha), alpha, np.full_like(alpha, 255)), flat(BLUE, SIDE, SIDE))
    truth, _ = disc(BLUE, (60, 60, 180, 180))
    assert np.abs(laid.astype(int) - truth).max() <= 14


@pytest.mark.parametrize("box", [(90, 130, 150, 190), (10, 10, 100, 100), (20, 20, 220, 220)])
def test_products_fill_their_frames_alike_and_stand_in_the_middle(box: tuple[int, int, int, int]) -> None:
    _, alpha = disc((255, 255, 255), box)
    placed = place(alpha, on_floor=False)
    wide = placed.factor * (box[2] - box[0])
    assert wide / SIDE == pytest.approx(min(FILL, 1.5 * (box[2] - box[0]) / SIDE), abs=0.02)
    assert placed.left + placed.factor * (box[0] + box[2]) / 2 == pytest.approx(SIDE / 2, abs=2)


def test_a_product_that_the_frame_cuts_stays_where_it_is() -> None:
    _, alpha = disc((255, 255, 255), (120, 60, 320, 180))
    assert place(alpha, on_floor=True) == Placement()
    assert place(np.zeros((9, 9), np.uint8), on_floor=True) == Placement()


def test_a_drawn_shadow_is_darkest_where_the_product_touches_the_ground() -> None:
    _, alpha = disc((255, 255, 255), (60, 60, 180, 180))
    shade = drawn_shade(alpha)
    assert shade[182, 120] < 0.75
    assert shade[182, 120] < shade[186, 120] < shade[192, 120] < shade[225, 120]
    assert shade[182, 120] < shade[120, 190], "beneath it, and not beside it"
    assert (drawn_shade(np.zeros((20, 20), np.uint8)) == 1).all()


def test_the_shadow_of_the_photo_is_told_apart_and_kept() -> None:
    rgb, alpha = disc((240, 240, 240), (60, 60, 180, 180))
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    dark = 1 - 0.4 * np.exp(-(((y - 184) / 12) ** 2) - ((x - 130) / 50) ** 2)
    shaded = np.where(alpha[..., np.newaxis] > 0, rgb, rgb * dark[..., np.newaxis]).astype(np.uint8)
    found = own_shade(shaded, alpha)
    assert found is not None
    assert found[190, 130] == pytest.approx(dark[190, 130], abs=0.06)
    assert found[20, 20] == 1
    assert own_shade(rgb, alpha) is None


def test_a_gradient_goes_from_one_colour_to_the_other_without_bands() -> None:
    ground = gradient((250, 250, 250), (230, 225, 220), 400, 60)
    assert np.abs(ground[0].astype(int) - 250).max() <= 1
    assert np.abs(ground[-1].astype(int) - (230, 225, 220)).max() <= 1
    rows = ground.astype(float).mean(axis=1)
    assert (np.abs(np.diff(rows, axis=0)) < 0.5).all()
    assert np.array_equal(ground, gradient((250, 250, 250), (230, 225, 220), 400, 60))


@pytest.mark.parametrize("size", [(400, 1600), (1000, 400), (401, 399)])
def test_a_picture_fills_the_frame_and_is_not_stretched(size: tuple[int, int]) -> None:
    picture = np.zeros((*size, 3), np.uint8)
    picture[:, size[1] // 2 :] = 255
    laid = filling(picture, 120, 180)
    assert laid.shape == (120, 180, 3)
    assert laid[:, :80].max() < 30
    assert laid[:, 100:].min() > 225


def test_a_grey_photo_of_white_paper_is_exposed_as_white() -> None:
    photo = packshot(235)
    mask = disc((0, 0, 0), (90, 130, 150, 190))[1]
    cut = cut_out(photo.rgb, mask, plain=True, on_floor=False)
    middle = cut.rgb[cut.alpha == 255].astype(int)
    assert np.median(middle[:, 0]) == pytest.approx(RED[0] * 255 / 235, abs=2)


@pytest.mark.parametrize("background", ["white", "#203040", "gradient:#ffffff,#808080", "transparent"])
def test_a_packshot_is_set_on_its_look_s_background(background: str) -> None:
    scene = set_scene(packshot(), LookChanges(background=background).applied(LOOK), 1, NoPictures())
    assert scene.is_set
    photo = scene.photo
    assert photo.rgb.shape == (SIDE, SIDE, 3)
    assert photo.rgb[SIDE // 2, SIDE // 2].tolist() == pytest.approx(RED, abs=6)
    weight = scene.weight((60, 60), np.full((60, 60), 255, np.uint8), LOOK)
    assert (weight[0].max(), weight[30, 30]) == (0, 255)
    if background == "transparent":
        assert photo.alpha is not None
        assert photo.alpha[0].max() == 0
    else:
        assert photo.alpha is None
        assert photo.rgb[0, 0].tolist() == {"white": [255] * 3, "#203040": [32, 48, 64]}.get(background, [255] * 3)


def bare() -> dict[str, Photo]:
    """Photos without a product that could be set on another ground."""
    texture = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    return {
        "a texture": Photo(texture, None, "png"),
        "an empty page": Photo(white, None, "png"),
        "alpha that is all 0": Photo(white, np.zeros((SIDE, SIDE), np.uint8), "png"),
        "one pixel": Photo(white[:1, :1], None, "png"),
    }


@pytest.mark.parametrize("what", bare())
def test_a_photo_without_a_product_stays_as_it_is(what: str) -> None:
    photo = bare()[what]
    scene = set_scene(photo, LookChanges(background="#203040").applied(LOOK), 1, NoPictures())
    assert not scene.is_set
    assert scene.photo is photo
