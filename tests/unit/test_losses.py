from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.random_vgg import write_random_vgg
from workers.model.config import Stage, StyleSource, TrainConfig
from workers.model.generator import Architecture
from workers.model.learning.discriminator import adversarial_error, discriminator_loss
from workers.model.learning.objective import NOISE_SIGMA, Minibatch, Verdict, judge, with_noise
from workers.model.learning.run import Run
from workers.model.learning.style_set import StyleSet
from workers.model.losses import amplification, chroma_error, edge_error, structure_error, tone_error
from workers.model.ssim import Similarity
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


EVERYWHERE = torch.ones(1, 1, 48, 48)


def stripes(contrast: float = 0.4, *, shift: int = 0) -> Tensor:
    """A grey picture of stripes, 8 pixels wide, on its left half, flat on its right."""
    at = (torch.arange(48) + shift) // 8 % 2
    wave = torch.where(torch.arange(48) < 24, contrast * (at - 0.5), 0.0)
    return (0.5 + wave).expand(1, 3, 48, 48)


def ramp(*per_channel: float) -> Tensor:
    """A picture whose channels rise by so much from left to right, about the middle."""
    at = torch.linspace(-0.5, 0.5, 48)
    return torch.stack([0.5 + rise * at.expand(48, 48) for rise in per_channel])[None]


def test_edges_are_minded_by_where_they_are_and_not_by_their_tones() -> None:
    photo = stripes()

    def error(image: Tensor) -> float:
        return float(edge_error(Similarity.between(image, photo), EVERYWHERE))

    assert error(photo) == pytest.approx(0, abs=1e-4)
    assert error(stripes(0.2) + 0.1) < 0.01, "another tone and contrast"
    assert error(1 - photo) > 1.7, "light and dark have changed places"


def test_flat_places_may_be_painted_and_edges_may_not() -> None:
    photo = stripes()
    texture = 0.1 * torch.randn(1, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    left = (torch.arange(48) < 24).float()

    def error(image: Tensor, area: Tensor = EVERYWHERE) -> float:
        return float(structure_error(Similarity.between(image, photo), area))

    on_flat, on_edges = photo + texture * (1 - left), photo + texture * left
    assert error(photo) == pytest.approx(0, abs=1e-5)
    assert error(torch.full_like(photo, 0.5)) > 2 * error(on_edges), "the edges are gone"
    assert 0 < 2 * error(on_flat) < error(on_edges)
    assert error(on_edges, EVERYWHERE * (torch.arange(48) >= 36)) < 0.2 * error(on_edges), "only the area counts"


def test_slow_tones_and_hues_may_be_others_but_not_reversed() -> None:
    photo = ramp(0.8, 0.4, -0.4)
    for term in (tone_error, chroma_error):
        assert float(term(photo, photo, EVERYWHERE)) == pytest.approx(0, abs=0.03)
        assert float(term(0.4 * photo + 0.3, photo, EVERYWHERE)) == pytest.approx(0, abs=0.03), term
        assert float(term(1 - photo, photo, EVERYWHERE)) == pytest.approx(2, abs=0.03), term
    grey = ramp(0.3, 0.3, 0.3)
    assert float(tone_error(grey, photo, EVERYWHERE)) == pytest.approx(0, abs=0.03)
    assert float(chroma_error(grey, photo, EVERYWHERE)) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("term", [tone_error, chroma_error])
@pytest.mark.parametrize("area", [EVERYWHERE, torch.zeros_like(EVERYWHERE)])
def test_a_flat_picture_has_finite_gradients(term: Callable[..., Tensor], area: Tensor) -> None:
    image = torch.full((1, 3, 48, 48), 0.5, requires_grad=True)
    similar = Similarity.between(image, torch.full((1, 3, 48, 48), 0.5))
    error = term(image, ramp(0, 0, 0), area) + structure_error(similar, area) + edge_error(similar, area)
    torch.autograd.backward(error.sum())
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


def judged(run: Run, data: StyleSet, vgg: Vgg, crops: Tensor) -> Verdict:
    """Judge crops, the first in the first style, the second in the other."""
    return judge(run, run.config.stages[-1], data, vgg, Minibatch(crops, torch.tensor([0, 1])), run.rng)


def crops_of(seed: int = 0) -> Tensor:
    """Two crops of noise that are painted everywhere."""
    noise = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return torch.cat((noise, torch.ones(2, 1, 32, 32)), 1)


# The random features are faint, and so is the error of content.
@pytest.mark.parametrize(
    ("term", "weight"), [("content", 1e6), ("structure", 3.0), ("edge", 3.0), ("tone", 3.0), ("chroma", 3.0)]
)
def test_a_term_counts_by_its_weight(term: str, weight: float, data: StyleSet, vgg: Vgg) -> None:
    def loss(weight: float) -> tuple[float, dict[str, Tensor]]:
        weighted: dict[str, Any] = {f"{term}_weight": weight}
        run = Run(replace(CONFIG, **weighted), None, CPU)
        found = judged(run, data, vgg, crops_of())
        torch.autograd.backward(found.loss)
        assert run.rows.grad is not None
        assert run.rows.grad.isfinite().all()
        return float(found.loss.detach()), found.terms

    without, with_it = loss(0), loss(weight)
    assert with_it[0] - without[0] == pytest.approx(weight * float(with_it[1][term].mean()), rel=1e-3)


def test_each_style_counts_by_a_weight_of_its_own(data: StyleSet, vgg: Vgg) -> None:
    run = Run(CONFIG, None, CPU)
    alike = judged(run, data, vgg, crops_of())
    run.style_weights = run.style_weights * torch.tensor([2.0, 0.5])
    balanced = judged(run, data, vgg, crops_of())
    more = CONFIG.style_weight * (torch.tensor([1.0, -0.5]) * alike.terms["style"]).mean()
    assert float((balanced.loss - alike.loss).detach()) == pytest.approx(float(more), rel=1e-3)
    assert torch.equal(balanced.validation, alike.validation)


def test_stability_costs_nothing_in_a_stage_without_it(data: StyleSet, vgg: Vgg) -> None:
    run = Run(CONFIG, None, CPU)
    before = run.rng.get_state()
    assert "stability" not in judged(run, data, vgg, crops_of()).terms
    assert torch.equal(run.rng.get_state(), before), "no random number is drawn"


def test_a_kept_background_is_not_judged(data: StyleSet, vgg: Vgg) -> None:
    run = Run(CONFIG, None, CPU)
    crops = crops_of()
    crops[:, 3:] = 0
    kept = judged(run, data, vgg, crops)
    assert torch.equal(kept.painted, crops[:, :3])
    for term in ("content", "structure", "edge", "tone", "chroma"):
        # Nowhere to be judged: the photo is what it was, and the correlations are those of nothing.
        assert kept.terms[term].max() <= 1 + 1e-5


def test_noise_is_small_and_follows_its_seed() -> None:
    photos = torch.full((64, 3, 32, 32), 0.5)
    one, same, other = (with_noise(photos, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    sigmas = (one - photos).flatten(1).std(1)
    assert NOISE_SIGMA[0] * 0.95 < float(sigmas.min()) < 0.025
    assert 0.035 < float(sigmas.max()) < NOISE_SIGMA[1] * 1.05


def test_a_generator_that_does_not_look_at_the_photo_is_stable(data: StyleSet, vgg: Vgg) -> None:
    run = Run(replace(CONFIG, stages=(replace(CONFIG.stages[0], stability_weight=1.0),)), None, CPU)
    assert float(judged(run, data, vgg, crops_of()).terms["stability"].min()) > 0
    with torch.no_grad():
        run.rows.zero_()
    assert judged(run, data, vgg, crops_of()).terms["stability"].tolist() == [0, 0]
