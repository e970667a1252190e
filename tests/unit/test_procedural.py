"""Procedural styles: pictures made by a rule, the same every time, whatever the photo."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shared.models.styles import read_definitions
from shared.models.versions import BUILT_IN
from workers.images.effects import with_effects
from workers.images.procedural.definition import Effect, effect_from_bytes
from workers.images.procedural.film import Film
from workers.images.procedural.gradient import Gradient
from workers.images.procedural.poster import Poster
from workers.images.procedural.screen import Halftone, Ink
from workers.images.procedural.tones import BadStyle, Pixels

BUILT_IN_DEFINITIONS = {style.name: data for style, data in read_definitions(BUILT_IN / "procedural.json")}
PLAIN = ((0, 0), (255, 255))

HOSTILE = [
    b"[" * 5000,
    b'{"kind": "halftone", "cell": 0.01, "inks": [{"colour": "#000000", "angle": "45"}]}',
    b'{"kind": "halftone", "cell": 0.01, "inks": [{"colour": "#000000", "angle": NaN}]}',
    b'{"kind": "gradient", "colours": {"#000000": 1, "#ffffff": 2}}',
    b'{"kind": "gradient", "colours": ["#000000", "#ffffff"], "tone": [[0, [1]], [255, [2]]]}',
]


def scene(height: int, width: int) -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def grey(level: int, side: int = 240) -> Pixels:
    return np.full((side, side, 3), level, np.uint8)


@pytest.mark.parametrize("name", BUILT_IN_DEFINITIONS)
def test_a_built_in_style_makes_the_same_picture_of_any_photo_every_time(name: str) -> None:
    for photo in (scene(90, 130), scene(1, 1), scene(16, 16), scene(3, 400), grey(255, 20), grey(0, 20)):
        before = photo.copy()
        made = [effect_from_bytes(BUILT_IN_DEFINITIONS[name]).apply(photo, scale) for scale in (1.0, 1.0, 2.5)]
        assert np.array_equal(made[0], made[1])
        assert [one.shape for one in made] == [photo.shape] * 3
        assert made[0].dtype == np.uint8
        assert np.array_equal(photo, before), "the photo is not drawn on"


@pytest.mark.parametrize("name", BUILT_IN_DEFINITIONS)
def test_a_built_in_style_changes_a_picture(name: str) -> None:
    photo = scene(60, 60)
    assert np.abs(effect_from_bytes(BUILT_IN_DEFINITIONS[name]).apply(photo, 1.0) - photo.astype(float)).mean() > 5


@pytest.mark.parametrize("level", [0, 32, 96, 128, 200, 255])
def test_dots_cover_as_much_paper_as_the_tone_asks_for(level: int) -> None:
    printed = Halftone(cell=0.05, inks=(Ink("#000000", 30),)).apply(grey(level, 480), 1.0)
    assert float(printed.mean()) == pytest.approx(level, abs=6)
    assert 0.7 < np.isin(printed, (0, 255)).mean() <= 1 or level in (0, 255), "ink or paper, but for the dots' edges"


def dots_in_a_row(side: int, scale: float) -> int:
    """Count the dots of a grey picture's screen along the row where half of it is ink."""
    printed = Halftone(cell=0.05, inks=(Ink("#000000", 0),)).apply(grey(128, side), scale)
    row = printed[round(0.05 * scale * side / 4), :, 0]
    return int(np.abs(np.diff((row > 127).astype(int))).sum()) // 2


def test_dots_keep_their_size_relative_to_the_picture() -> None:
    assert dots_in_a_row(160, 1.0) == pytest.approx(20, abs=1)
    assert dots_in_a_row(640, 1.0) == pytest.approx(20, abs=1)
    assert dots_in_a_row(640, 2.0) == pytest.approx(10, abs=1)


def test_four_inks_mix_to_the_colours_of_the_photo() -> None:
    inks = (Ink("#00ffff", 15), Ink("#ff00ff", 75), Ink("#ffff00", 0), Ink("#000000", 45))
    for colour in ((255, 255, 255), (255, 0, 0), (40, 160, 220)):
        photo = np.full((240, 240, 3), colour, np.uint8)
        printed = Halftone(cell=0.025, inks=inks, black=0.5).apply(photo, 1.0)
        assert printed.mean((0, 1)) == pytest.approx(colour, abs=18)


def test_a_gradient_leads_from_its_first_colour_to_its_last() -> None:
    duotone = Gradient(colours=("#102040", "#f0e0d0"))
    ends = [duotone.apply(grey(level, 2), 1.0)[0, 0].tolist() for level in (0, 255)]
    assert ends == [[0x10, 0x20, 0x40], [0xF0, 0xE0, 0xD0]]
    middle = duotone.apply(grey(128, 2), 1.0)[0, 0]
    assert middle.tolist() == pytest.approx([0x80, 0x80, 0x88], abs=1)


def test_film_without_anything_is_the_photo_and_without_saturation_grey() -> None:
    photo = scene(40, 50)
    assert np.abs(Film(PLAIN, PLAIN, PLAIN).apply(photo, 1.0).astype(int) - photo).max() <= 1
    black_and_white = Film(PLAIN, PLAIN, PLAIN, saturation=0).apply(photo, 1.0)
    assert (black_and_white.max(axis=2) == black_and_white.min(axis=2)).all()
    assert black_and_white[..., 0] == pytest.approx(photo @ [0.299, 0.587, 0.114], abs=1.5)


def test_grain_is_in_the_middle_tones_and_as_strong_as_it_should_be() -> None:
    film = Film(PLAIN, PLAIN, PLAIN, grain=8, grain_size=0.01)
    deviations = [float(film.apply(grey(level), 1.0)[..., 0].std()) for level in (0, 128, 255)]
    assert deviations == [0, pytest.approx(8, rel=0.1), 0]


def test_a_poster_has_a_few_flat_tones() -> None:
    ramp = np.repeat(np.linspace(0, 255, 600).astype(np.uint8)[None, :, None], 60, 0).repeat(3, 2)
    tones, counts = np.unique(Poster(levels=4, saturation=1).apply(ramp, 1.0)[..., 0], return_counts=True)
    flat = {int(tone) for tone, count in zip(tones, counts, strict=True) if count > 0.05 * counts.sum()}
    assert flat == {0, 85, 170, 255}


@pytest.mark.parametrize(
    "definition",
    [
        b"",
        b"[]",
        b"{}",
        b'{"kind": "oil"}',
        b'{"kind": "gradient"}',
        b'{"kind": "gradient", "colours": ["#000000"]}',
        b'{"kind": "gradient", "colours": ["#000000", "white"]}',
        b'{"kind": "gradient", "colours": ["#000000", "#ffffff"], "tone": [[0, 0], [0, 255]]}',
        b'{"kind": "film", "red": [[0, 0], [255, 255]]}',
        b'{"kind": "poster", "levels": 1}',
        b'{"kind": "poster", "levels": 4.5}',
        b'{"kind": "halftone", "cell": 9, "inks": [{"colour": "#000000", "angle": 0}]}',
        b'{"kind": "halftone", "cell": 0.01, "inks": []}',
        b'{"kind": "line-drawing", "softness": 0}',
    ],
)
def test_a_definition_that_cannot_be_is_refused(definition: bytes) -> None:
    with pytest.raises(BadStyle):
        effect_from_bytes(definition)


def test_a_definition_has_the_same_bytes_whatever_the_order_of_its_fields(tmp_path: object) -> None:
    (_, data), *_ = read_definitions(BUILT_IN / "procedural.json")
    assert data == json.dumps(json.loads(data), sort_keys=True).encode()


def test_a_mix_of_both_kinds_is_the_weighted_mean_of_their_pictures() -> None:
    photo = scene(64, 48)
    painted = np.full_like(photo, 200)
    black: Effect = Gradient(colours=("#000000", "#000000"))
    assert (with_effects(photo, photo, painted, [(0.25, black)], scale=1) == 150).all()
    assert (
        with_effects(photo, photo, None, [(0.5, black), (0.5, Gradient(("#646464", "#646464")))], scale=1) == 50
    ).all()
    assert (with_effects(photo, photo, None, [(1.0, black)], scale=1) == 0).all()


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_a_definition_that_would_fail_every_image_is_refused(data: bytes) -> None:
    with pytest.raises(BadStyle):
        effect_from_bytes(data)
