import pytest
import torch
from torch import Tensor

from tests.random_vgg import write_random_vgg
from workers.model.style_statistics import (
    FACET_SCALE,
    Statistics,
    StyleError,
    look,
    mean_style,
    middle,
    picked,
    stacked,
    style_of,
)
from workers.model.vgg import Vgg

ALIKE = torch.zeros(1, dtype=torch.bool)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Vgg:
    return Vgg.load(write_random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors"))


def noise(seed: int, side: int = 64) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_statistics_are_the_mean_and_the_covariance() -> None:
    features = torch.randn(2, 5, 9, 8)
    found = Statistics.of(features, torch.ones(2, 1, 18, 16))
    for one in range(2):
        positions = features[one].flatten(1)
        assert torch.allclose(found.mean[one], positions.mean(1), atol=1e-5)
        assert torch.allclose(found.covariance[one], positions.cov(correction=0), atol=1e-5)


def test_only_the_area_is_measured() -> None:
    features, area = torch.randn(1, 5, 8, 8), torch.zeros(1, 1, 16, 16)
    area[..., :8] = 1
    found, left = Statistics.of(features, area), Statistics.of(features[..., :4], torch.ones(1, 1, 8, 8))
    assert torch.allclose(found.mean, left.mean, atol=0.02)
    assert torch.allclose(found.covariance, left.covariance, atol=0.05)


def test_a_tint_matches_the_means_and_no_covariance() -> None:
    style = Statistics(torch.tensor([[1.0, 2.0]]), torch.tensor([[[2.0, 1.0], [1.0, 3.0]]]))
    tint = Statistics(style.mean, torch.zeros(1, 2, 2))
    error = StyleError.between({"1/relu1_1": tint}, {"1/relu1_1": style}, ALIKE)
    assert (float(error.covariance), float(error.mean)) == (1, 0)


def test_the_coarsest_scale_counts_for_styles_of_large_facets_only() -> None:
    one, other = (Statistics(torch.full((2, 1), m), torch.full((2, 1, 1), m)) for m in (1.0, 2.0))
    found = {"1/relu1_1": one, f"{FACET_SCALE}/relu2_1": other}
    wanted = {"1/relu1_1": one, f"{FACET_SCALE}/relu2_1": one}
    error = StyleError.between(found, wanted, torch.tensor([False, True]))
    assert error.covariance.tolist() == pytest.approx([0, 0.7 / 1.7])


def test_a_picture_has_its_own_style_at_every_scale(vgg: Vgg) -> None:
    pictures = [noise(1), noise(2)]
    styles = stacked([mean_style([picture], vgg) for picture in pictures])
    area = torch.ones(1, 1, 64, 64)
    for index, picture in enumerate(pictures):
        own, other = (
            StyleError.between(
                style_of(look(picture, vgg), area),
                picked(styles, torch.tensor([which])),
                torch.ones(1, dtype=torch.bool),
            )
            for which in (index, 1 - index)
        )
        assert float(own.weighted) == pytest.approx(0, abs=1e-6)
        assert float(other.weighted) > 0


def test_several_pictures_of_a_style_count_as_their_mean(vgg: Vgg) -> None:
    one, other, both = (mean_style(pictures, vgg) for pictures in ([noise(1)], [noise(2)], [noise(1), noise(2)]))
    for at, together in both.items():
        assert torch.allclose(together.mean, (one[at].mean + other[at].mean) / 2)
        assert torch.allclose(together.covariance, (one[at].covariance + other[at].covariance) / 2)


def test_a_coarser_scale_sees_the_picture_made_smaller(vgg: Vgg) -> None:
    fine = noise(3)
    blocks = fine.repeat_interleave(2, 2).repeat_interleave(2, 3)
    large, small = look(blocks, vgg, [2]), look(fine, vgg, [1])
    assert torch.allclose(large["2/relu2_1"], small["1/relu2_1"], atol=1e-5)


def test_the_middle_is_five_eighths_of_each_side() -> None:
    assert middle(torch.zeros(1, 3, 256, 224)).shape == (1, 3, 160, 140)
