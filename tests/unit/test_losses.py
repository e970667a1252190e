from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.random_vgg import write_random_vgg
from workers.model.config import Stage, StyleSource, TrainConfig
from workers.model.generator import Architecture
from workers.model.learning.discriminator import adversarial_error, discriminator_loss
from workers.model.learning.objective import NOISE_SIGMA, judge, with_noise
from workers.model.learning.run import Run
from workers.model.learning.style_set import StyleSet
from workers.model.losses import amplification, edge_error, halved, slope
from workers.model.vgg import Vgg

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    styles=(StyleSource("waves", "waves.png"), StyleSource("dots", "dots.png")),
    stages=(Stage(steps=1, crop_px=32, crops=2),),
    architecture=Architecture(width=4, blocks=1),
    tv_weight=0.0,
)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Vgg:
    return Vgg.load(write_random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors"))


@pytest.fixture(scope="module")
def data(vgg: Vgg) -> StyleSet:
    images = tuple((torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8),) for _ in range(2))
    return StyleSet.of(images, {"waves": "", "dots": ""}, vgg, CPU)


def ramp(across: float, down: float) -> Tensor:
    """A grey picture whose tone rises by so much per pixel."""
    at = torch.arange(16.0)
    return (across * at[None, :] + down * at[:, None]).expand(1, 3, 16, 16)


def test_a_ramp_is_as_steep_as_it_rises_per_pixel() -> None:
    assert slope(ramp(0.03, 0.04)).flatten().tolist() == pytest.approx([0.05] * 14 * 14, abs=1e-5)


def test_edges_are_minded_by_their_steepness_and_not_by_their_tones() -> None:
    photo = torch.cat([ramp(0.02, 0), ramp(0.02, 0), ramp(0, 0)])
    image = torch.cat([ramp(0.05, 0), 1 - ramp(0.02, 0), ramp(0, 0) + 0.5])
    assert edge_error(image, photo).tolist() == pytest.approx([0.03, 0, 0], abs=1e-5)


def test_a_flat_picture_has_finite_gradients() -> None:
    image = ramp(0, 0).clone().requires_grad_()
    torch.autograd.backward(edge_error(image, ramp(0.1, 0)).sum())
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_a_change_that_comes_out_doubled_is_amplified_fourfold() -> None:
    before = torch.randn(3, 3, 8, 8)
    after = before * torch.tensor([1.0, 2.0, 0.0]).view(3, 1, 1, 1)
    assert amplification(after, before).tolist() == pytest.approx([1, 4, 0])


def test_the_discriminators_losses_have_their_known_values() -> None:
    real, fake = torch.tensor([1.5, 0.0]).view(2, 1, 1, 1), torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    assert float(discriminator_loss(real, fake, "hinge")) == pytest.approx((0 + 1) / 2 + (0 + 2) / 2)
    assert float(discriminator_loss(real, fake, "least_squares")) == pytest.approx((0.25 + 1) / 4 + (0 + 4) / 4)
    assert adversarial_error(fake, "hinge").tolist() == [1, -1]
    assert adversarial_error(fake, "least_squares").tolist() == [2, 0]


def test_coarse_grams_are_those_of_the_image_at_half_the_size(vgg: Vgg) -> None:
    fine = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    blocks = fine.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(halved(blocks.float()), fine.float())
    small, large = (StyleSet.of(((image,),), {"s": ""}, vgg, CPU) for image in (fine, blocks))
    for tap, wanted in small.grams.items():
        assert torch.allclose(large.coarse_grams[tap], wanted)
        assert not torch.allclose(large.grams[tap], wanted)


@pytest.mark.parametrize("term", ["coarse_style", "edge", "stability"])
def test_a_term_counts_by_its_weight_and_costs_nothing_at_zero(term: str, data: StyleSet, vgg: Vgg) -> None:
    crops = torch.rand(2, 3, 32, 32)

    def judged(weight: float) -> tuple[float, dict[str, Tensor], bool]:
        weighed: dict[str, Any] = {f"{term}_weight": weight}
        run = Run(replace(CONFIG, **weighed), None, CPU)
        run.style_weights = torch.tensor([20.0, 5.0])  # as balanced: the first style is given twice the weight
        before = run.rng.get_state()
        found = judge(run, data, vgg, crops, torch.tensor([0, 1]), run.rng)
        torch.autograd.backward(found.loss)
        assert run.rows.grad is not None
        assert run.rows.grad.isfinite().all()
        return float(found.loss.detach()), found.terms, torch.equal(run.rng.get_state(), before)

    without, with_it = judged(0), judged(3)
    assert term not in without[1]
    assert without[2], "no random number is drawn for a term that is off"
    share = torch.tensor([2.0, 0.5]) if term == "coarse_style" else torch.ones(2)
    assert with_it[0] - without[0] == pytest.approx(3 * float((share * with_it[1][term]).mean()), rel=1e-3)


def test_noise_is_small_and_follows_its_seed() -> None:
    photos = torch.full((64, 3, 32, 32), 0.5)
    one, same, other = (with_noise(photos, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    sigmas = (one - photos).flatten(1).std(1)
    assert NOISE_SIGMA[0] * 0.95 < float(sigmas.min()) < 0.025
    assert 0.035 < float(sigmas.max()) < NOISE_SIGMA[1] * 1.05


def test_a_generator_that_does_not_look_at_the_photo_is_stable(data: StyleSet, vgg: Vgg) -> None:
    run = Run(replace(CONFIG, stability_weight=1.0), None, CPU)
    crops, picks = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    assert float(judge(run, data, vgg, crops, picks, run.rng).terms["stability"].min()) > 0
    with torch.no_grad():
        run.rows.zero_()
    assert judge(run, data, vgg, crops, picks, run.rng).terms["stability"].tolist() == [0, 0]
