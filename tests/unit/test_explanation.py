"""Explaining renditions whose changes and likenesses are known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from producer.commands.main import make_app
from shared.errors import UsageError
from tests.random_vgg import write_random_vgg
from workers.drawing.change_picture import MOST, heat_colours
from workers.drawing.picture_row import MARGIN_PX
from workers.drawing.resemblance_picture import CROP_PX, resemblance_picture
from workers.model.measures.change import ColourChange
from workers.model.measures.resemblance import GRID_PX, Resemblance, Resemblances, find_resemblances, likenesses
from workers.model.vgg import Vgg, view_px
from workers.tools.explanation import PicturePair, explain, require_other_files


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors")


def painting(width: int = 160, height: int = 144) -> np.ndarray:
    coarse = np.random.default_rng(4).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def unit(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255


def test_equal_pictures_changed_nowhere(tmp_path: Path, vgg_file: Path) -> None:
    Image.fromarray(painting()).save(tmp_path / "photo.png")
    pixels = painting()
    found = explain(
        PicturePair(pixels, pixels, torch.ones(pixels.shape[:2], dtype=torch.bool)),
        tmp_path / "photo.png",
        Vgg.load(vgg_file),
        tmp_path / "out",
    )
    assert (found["change"]["picture"]["mean"], found["change"]["picture"]["p95"]) == (0, 0)
    assert list(found["change"]) == ["picture"]
    assert all(distance == pytest.approx(0, abs=1e-6) for distance in found["content"].values())
    # The style image is the picture itself, too.
    assert all(error == 0 for one in found["style"].values() for error in one.values())
    assert all(place["style"] == place["rendition"] for place in found["resemblances"])


def test_a_changed_square_shows_exactly_there() -> None:
    photo = painting()
    changed = photo.copy()
    changed[32:64, 80:120] = 255 - changed[32:64, 80:120] // 2
    change = ColourChange.between(unit(photo), unit(changed))
    square = torch.zeros(photo.shape[:2], dtype=torch.bool)
    square[32:64, 80:120] = True
    assert torch.equal(change.delta > 0, square)
    inside, outside = change.within(square), change.within(~square)
    assert inside is not None
    assert outside is not None
    assert inside.share == pytest.approx(32 * 40 / photo[..., 0].size)
    assert inside.mean > 5
    assert inside.lightness[1] > inside.lightness[0]
    assert (outside.mean, outside.p95, outside.chroma[1] - outside.chroma[0]) == (0, 0, 0)
    assert change.within(torch.zeros_like(square)) is None
    heat = heat_colours(change.delta.numpy())
    assert np.array_equal(heat.any(2) & (heat != heat[0, 0]).any(2), square.numpy())


def test_heat_grows_lighter_with_every_difference() -> None:
    luminance = heat_colours(np.linspace(0, 1.5 * MOST, 200, dtype=np.float32)[np.newaxis])[0] @ (0.299, 0.587, 0.114)
    assert (np.diff(luminance[:133]) > 0).all()
    assert np.ptp(luminance[134:]) == 0


def test_a_patch_cut_from_the_style_image_finds_its_own_place(vgg_file: Path) -> None:
    vgg, style, (left, top) = Vgg.load(vgg_file), painting(240, 200), (64, 48)
    cut = style[top : top + 120, left : left + 136]
    seen, wanted = (vgg(unit(pixels)[None]) for pixels in (cut, style))
    inside = torch.zeros(15, 17, dtype=torch.bool)
    inside[5:10, 5:12] = True  # a position sees 84 px: the others see the padding around the cut
    like = likenesses(seen, wanted, inside)
    rows, columns = inside.nonzero().T
    own = (rows + top // GRID_PX) * (240 // GRID_PX) + columns + left // GRID_PX
    assert torch.equal(like.argmax(1), own)
    assert like.max(1).values.min() > 0.999
    found = find_resemblances(seen, wanted, inside, count=1)
    (place,) = found.places
    assert (place.style[0] - place.rendition[0], place.style[1] - place.rendition[1]) == (left, top)
    assert place.share == 1
    assert place.likeness == pytest.approx(1, abs=1e-3)
    assert torch.equal(found.regions, torch.where(inside, 0, -1))


def test_two_halves_of_a_rendition_resemble_two_parts_of_the_style_image(vgg_file: Path) -> None:
    vgg, style = Vgg.load(vgg_file), painting(320, 160).copy()
    style[:, :160] //= 4  # dark on the left
    rendition = np.concatenate((style[:, 168:312], style[:, 8:152]), axis=1)
    seen, wanted = (vgg(unit(pixels)[None]) for pixels in (rendition, style))
    found = find_resemblances(seen, wanted, torch.ones(20, 36, dtype=torch.bool), count=2)
    bright, dark = sorted(found.places, key=lambda place: -place.style[0])
    assert bright.style[0] > 160 > dark.style[0]
    assert bright.rendition[0] < 144 < dark.rendition[0]
    assert bright.share + dark.share == pytest.approx(1)
    assert found.places[0].share >= found.places[1].share


def test_a_rendition_painted_nowhere_resembles_nothing(vgg_file: Path) -> None:
    seen = Vgg.load(vgg_file)(unit(painting())[None])
    found = find_resemblances(seen, seen, torch.zeros(18, 20, dtype=torch.bool))
    assert found.places == ()
    assert (found.regions == -1).all()


def test_a_tall_picture_leaves_room_for_every_pair_of_places() -> None:
    pixels = np.zeros((400, 120, 3), np.uint8)
    places = tuple(Resemblance((60, 60 * i), (60, 60 * i), 0.5, 1 / 6) for i in range(6))
    drawn = np.asarray(resemblance_picture(pixels, pixels, Resemblances(places, torch.zeros(50, 15, dtype=torch.long))))
    foot = (drawn[-60] == 0).all(1)  # the crops are black
    assert not foot[-MARGIN_PX:].any()
    assert foot.sum() == 2 * 6 * CROP_PX


def test_views_are_the_receptive_fields() -> None:
    assert [view_px(tap) for tap in ("relu1_1", "relu2_1", "relu3_1", "relu4_1")] == [3, 10, 24, 68]


def test_the_command_explains_a_rendition_and_names_what_it_cannot(
    tmp_path: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def atelier(*arguments: object) -> None:
        make_app()(["explain", *map(str, arguments)], standalone_mode=False)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ATELIER_VGG", raising=False)
    pixels = np.full((96, 128, 3), 255, np.uint8)
    pixels[24:72, 32:96] = painting(64, 48)
    Image.fromarray(pixels).save("photo.png")
    pixels[24:72, 32:96] //= 2
    Image.fromarray(pixels).resize((256, 192), Image.Resampling.NEAREST).save("rendition.png")
    Image.fromarray(painting()).save("style.png")

    atelier("photo.png", "rendition.png", "--out", "a", "--style-image", "style.png", "--vgg", vgg_file, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(Path("a", "explanation.json").read_text())
    assert found["change"]["background"]["mean"] < 0.5 < 10 < found["change"]["product"]["mean"]
    assert found["resemblances"]
    for name in ("changes.png", "resemblance.png"):
        with Image.open(Path("a", name)) as picture:
            assert picture.width > 1000

    atelier("photo.png", "rendition.png", "--out", "b")
    printed = capsys.readouterr()
    assert "VGG-19" in printed.err
    assert printed.out.splitlines()[2].startswith("product")
    assert sorted(path.name for path in Path("b").iterdir()) == ["changes.png", "explanation.json"]

    with pytest.raises(UsageError, match="160×144"):
        atelier("photo.png", "style.png", "--out", "c")
    with pytest.raises(UsageError, match="VGG-19"):
        atelier("photo.png", "rendition.png", "--out", "c", "--style-image", "style.png")


@pytest.mark.parametrize("name", ["changes.png", "resemblance.png", "explanation.json"])
def test_no_input_is_overwritten(tmp_path: Path, name: str) -> None:
    photo = tmp_path / name
    photo.write_bytes(b"photo")
    with pytest.raises(UsageError, match="would overwrite"):
        require_other_files(tmp_path, tmp_path / "gone.jpg", photo)
