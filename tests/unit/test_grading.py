"""Colour grades: tone and colour alone, the same every time, and tables that come from anywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from shared.models.styles import read_definitions
from shared.models.versions import BUILT_IN
from workers.images.effects import with_effects
from workers.images.grading.cube_file import LARGEST_READ, table_from_cube
from workers.images.grading.grade import Grade
from workers.images.grading.lut import ColourTable, identity
from workers.images.grading.oklab import from_oklab, to_oklab
from workers.images.grading.reference import grade_from_picture
from workers.images.procedural.definition import effect_from_bytes
from workers.images.procedural.tones import BadStyle, Pixels
from workers.model.ssim import ssim

GRADES = {
    style.name: data
    for style, data in read_definitions(BUILT_IN / "procedural.json")
    if json.loads(data)["kind"] == "grade"
}


def photo() -> Pixels:
    """A sample product, small."""
    with Image.open(BUILT_IN.parents[1] / "samples" / "photos" / "handbag.jpg") as image:
        return np.asarray(image.convert("RGB").resize((160, 160)))


def colours() -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (60, 60, 3), dtype=np.uint8)


def tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255


def cube(size: int, rows: list[str], header: str = "") -> bytes:
    body = "\n".join(rows)
    return f'TITLE "brand"\n# made by hand\nLUT_3D_SIZE {size}\n{header}{body}\n'.encode()


def lines(size: int) -> list[str]:
    return [" ".join(f"{value:.6f}" for value in entry) for entry in identity(size).reshape(-1, 3)]


def test_oklab_of_known_colours_and_back() -> None:
    white, red = to_oklab(np.array([[1, 1, 1], [1, 0, 0]], np.float32))
    assert white == pytest.approx([1, 0, 0], abs=1e-3)
    assert red == pytest.approx([0.628, 0.225, 0.126], abs=1e-3)  # as Ottosson gives it
    every = colours().astype(np.float32) / np.float32(255)
    assert from_oklab(to_oklab(every)) == pytest.approx(every, abs=2e-3)


def test_a_grade_without_anything_is_the_photo() -> None:
    assert np.array_equal(Grade().apply(colours(), 1.0), colours())


@pytest.mark.parametrize("name", GRADES)
def test_a_built_in_grade_keeps_structure_order_of_tones_and_black_and_white(name: str) -> None:
    grade = effect_from_bytes(GRADES[name])
    assert float(ssim(tensor(grade.apply(photo(), 1.0)), tensor(photo()))) >= 0.85
    steps = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], 3, axis=2)
    greys = grade.apply(steps, 1.0).astype(int)
    lightness = to_oklab(greys.astype(np.float32) / np.float32(255))[..., 0]
    assert (np.diff(lightness[:, 0]) > -0.002).all(), "what was lighter stays lighter"
    assert greys[0].max() <= 40
    assert greys[255].min() >= 215
    assert np.ptp(greys, axis=2).max() <= 60, "greys lean, and do not become colours"


def test_a_reference_gives_its_cast_and_the_same_grade_every_time() -> None:
    warm = np.clip(photo().astype(float) * [1.1, 0.95, 0.7], 0, 255).astype(np.uint8)
    grade = grade_from_picture(warm)
    assert grade == grade_from_picture(warm.copy())
    grey = np.full((4, 4, 3), 128, np.uint8)
    red, _, blue = grade.apply(grey, 1.0)[0, 0].astype(int)
    assert red > blue + 4
    flat = grade_from_picture(np.full((64, 64, 3), 90, np.uint8))
    assert float(ssim(tensor(flat.apply(photo(), 1.0)), tensor(photo()))) >= 0.85, "whatever the reference"
    with pytest.raises(BadStyle, match="16 pixels"):
        grade_from_picture(np.zeros((8, 400, 3), np.uint8))


def test_a_grade_mixes_with_every_kind_of_style() -> None:
    grade = effect_from_bytes(GRADES["golden-hour"])
    black = effect_from_bytes(b'{"kind": "gradient", "colours": ["#000000", "#000000"]}')
    made = grade.apply(photo(), 1.0).astype(float)
    mixed = with_effects(photo(), photo(), None, [(0.5, grade), (0.5, black)], scale=1)
    assert np.abs(mixed - made / 2).max() <= 1
    painted = np.full_like(photo(), 200)
    across = with_effects(photo(), photo(), painted, [(0.25, grade)], scale=1)
    assert np.abs(across - (0.25 * made + 150)).max() <= 1


def test_a_cube_file_is_read_with_its_domain_and_reduced_to_what_is_kept() -> None:
    assert np.array_equal(table_from_cube(cube(3, lines(3))).apply(colours(), 1.0), colours())
    inverted = [" ".join(f"{1 - value:.6f}" for value in entry) for entry in identity(40).reshape(-1, 3)]
    table = table_from_cube(cube(40, inverted))
    assert table.size == 33
    assert np.abs(table.apply(colours(), 1.0).astype(int) - (255 - colours())).max() <= 1
    doubled = table_from_cube(cube(2, lines(2), "DOMAIN_MAX 2 2 2\n"))
    assert np.abs(doubled.apply(colours(), 1.0).astype(int) - colours() // 2).max() <= 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"LUT_3D_SIZE 3\n",
        b"LUT_3D_SIZE 0\n1 1 1\n",
        b"LUT_3D_SIZE 1000000000000\n1 1 1\n",
        b"LUT_3D_SIZE \xd9\xa3\n1 1 1\n",
        b"LUT_1D_SIZE 16\n",
        b"0 0 0\n",
        b"A" * 300,
        cube(2, lines(2)[:-1]),
        cube(2, [*lines(2), "0 0 0"]),
        cube(2, ["0 0 nan", *lines(2)[1:]]),
        cube(2, ["0 0 1e9", *lines(2)[1:]]),
        cube(2, ["0 0", *lines(2)[1:]]),
        cube(2, ["0 0 0 0", *lines(2)[1:]]),
        cube(2, ["import os", *lines(2)[1:]]),
        cube(2, lines(2), "DOMAIN_MIN 1 1 1\n"),
        cube(LARGEST_READ + 1, lines(2)),
        b" " * (9 << 20),
    ],
)
def test_a_hostile_cube_file_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(BadStyle, match=r"\.cube") as refused:
        table_from_cube(data)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "definition",
    [
        {"kind": "grade", "saturation": 9},
        {"kind": "grade", "saturation": "1"},
        {"kind": "grade", "tone": [[0, 255], [255, 0]]},
        {"kind": "grade", "tone": [[0, 0], [128, 1], [255, 255]]},
        {"kind": "grade", "tint": [[0, 0, 0]]},
        {"kind": "grade", "tint": [[0, 0.5, 0], [255, 0, 0]]},
        {"kind": "grade", "tint": [[200, 0, 0], [100, 0, 0]]},
        {"kind": "grade", "tint": 5},
        {"kind": "colour-table", "size": 2, "values": "AAAA"},
        {"kind": "colour-table", "size": 500, "values": ""},
        {"kind": "colour-table", "size": 2, "values": "!"},
        {"kind": "colour-table", "size": 2.0, "values": 7},
    ],
)
def test_a_grade_that_cannot_be_is_refused(definition: dict[str, object]) -> None:
    with pytest.raises(BadStyle):
        effect_from_bytes(json.dumps(definition).encode())


def test_a_table_is_what_it_was_made_of() -> None:
    table = ColourTable.of(Grade(saturation=0.5).table(17))
    made = effect_from_bytes(json.dumps({"kind": "colour-table", "size": 17, "values": table.values}).encode())
    assert np.array_equal(made.apply(colours(), 1.0), table.apply(colours(), 3.0))
