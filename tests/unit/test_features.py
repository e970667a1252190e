"""Where VGG-19 features come from: files, stores, and torchvision's download, which has no network here."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from shared.errors import UsageError, exit_code
from shared.settings import Settings
from tests.random_vgg import write_random_vgg
from workers.model.dataset import PhotoSet
from workers.model.vgg import Vgg
from workers.training.features import FeaturesUnavailable, load_vgg

TORCHVISION = "vgg19-dcbb9e9d.pth"


@pytest.fixture
def vgg_file(tmp_path: Path) -> Path:
    return write_random_vgg(tmp_path / "somewhere.safetensors")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation without features, whose network leads nowhere."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Settings(home=tmp_path / "home", vgg=None)


def photos(folder: Path) -> PhotoSet:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(1)
    for number in range(14):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((48, 48)).save(folder / f"{number}.png")
    return PhotoSet.load([folder], 48)


def not_asked() -> PhotoSet:
    raise AssertionError("nothing needs normalising")


def same(one: Vgg, other: Vgg) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_features_are_named_or_lie_where_they_usually_do(vgg_file: Path, settings: Settings) -> None:
    wanted = Vgg.load(vgg_file)
    (settings.home).mkdir()
    shutil.copy(vgg_file, settings.home / "vgg19.safetensors")
    for place, known in (
        (str(vgg_file), settings),
        (f"file://{vgg_file}", settings),
        (None, settings.model_copy(update={"vgg": f"file://{vgg_file}"})),
        (None, settings),
    ):
        assert same(load_vgg(place, known, not_asked, lambda _: None), wanted)
    Path("vgg19.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"vgg19\.safetensors is damaged, or does not hold"):
        load_vgg(None, settings, not_asked, lambda _: None)
    for missing in ("none.safetensors", f"file://{settings.home}/none.safetensors"):
        with pytest.raises(UsageError, match="--vgg"):
            load_vgg(missing, settings, not_asked, lambda _: None)


def test_where_nothing_can_be_downloaded_the_message_says_what_to_do(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FeaturesUnavailable, match=r"download\.pytorch\.org.*set ATELIER_VGG or --vgg") as caught:
        load_vgg(None, settings, not_asked, lambda _: None)
    assert exit_code(caught.value) == 6
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""
    assert not settings.home.exists()


def test_downloaded_features_are_normalised_and_kept(vgg_file: Path, settings: Settings, tmp_path: Path) -> None:
    # What a download leaves in torch's cache, where torch looks first.
    cached = tmp_path / "torch" / "hub" / "checkpoints" / TORCHVISION
    cached.parent.mkdir(parents=True)
    torch.save(load_file(vgg_file), cached)
    told: list[str] = []
    vgg = load_vgg(None, settings, lambda: photos(tmp_path / "photos"), told.append)
    assert "downloading" in told[0]
    shown = [photo[:3] for photo in photos(tmp_path / "photos").train]
    means = torch.stack([vgg(photo[None].float() / 255)["relu3_1"].mean((0, 2, 3)) for photo in shown]).mean(0)
    assert means[means > 0].tolist() == pytest.approx([1] * int((means > 0).sum()), abs=0.1)  # in half precision
    assert same(load_vgg(None, settings, not_asked, lambda _: None), vgg)
    cached.write_bytes(b"damaged")
    (settings.home / "vgg19.safetensors").unlink()
    with pytest.raises(FeaturesUnavailable):
        load_vgg(None, settings, not_asked, lambda _: None)


def test_normalised_features_see_the_same(vgg_file: Path, tmp_path: Path) -> None:
    raw = Vgg.load(vgg_file)
    shown = [photo[:3].float() / 255 for photo in photos(tmp_path / "photos").train]
    vgg, other = raw.normalised(shown), torch.rand(1, 3, 40, 40)
    for name, found in vgg(other).items():
        means = torch.stack([raw(photo[None])[name].mean((0, 2, 3)) for photo in shown]).mean(0)
        means[means == 0] = 1
        assert torch.allclose(found * means.view(1, -1, 1, 1), raw(other)[name], rtol=1e-3, atol=1e-5)
