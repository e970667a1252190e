import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.measures.robustness import MEASURES, SHIFTS_PX, amplification, reencoded, robustness, shift_error


@pytest.fixture
def photo() -> Tensor:
    coarse = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(4))
    return 0.2 + 0.6 * F.interpolate(coarse, size=(84, 100), mode="bilinear")


def test_the_identity_amplifies_nothing_and_moves_along(photo: Tensor) -> None:
    (found,) = robustness(lambda x: x, photo)
    assert tuple(found) == MEASURES
    for name, value in found.items():
        assert value == pytest.approx(0 if name.startswith("shift") else 1, abs=1e-5)


def test_a_constant_is_perfectly_robust(photo: Tensor) -> None:
    (found,) = robustness(lambda x: torch.full_like(x, 0.4), photo)
    assert set(found.values()) == {0.0}


def test_contrast_is_amplification_and_every_style_has_its_own_figure(photo: Tensor) -> None:
    plain, steep = robustness(lambda x: torch.cat([x, 3 * x - 1]), photo)
    for name in ("noise", "jpeg_75", "jpeg_50", "webp_75"):
        assert steep[name] == pytest.approx(3 * plain[name], rel=1e-3)


def test_paint_that_stands_still_while_the_photo_moves_is_found(photo: Tensor) -> None:
    pattern = 0.2 * ((torch.arange(96) // 2) % 2)  # dots of the upsampling: a period of 4 px
    (found,) = robustness(lambda x: x + pattern[: x.shape[3]], photo)
    dots = [found[f"shift_{px}"] for px in SHIFTS_PX]
    assert dots[1] > dots[0] > 0.3
    assert dots[3] == pytest.approx(0, abs=1e-5)


def test_pictures_without_relation_are_root_two_apart() -> None:
    rng = torch.Generator().manual_seed(1)
    one, other = torch.randn(1, 3, 160, 160, generator=rng), torch.randn(1, 3, 160, 160, generator=rng)
    assert float(shift_error(other, one, 2)) == pytest.approx(2**0.5, rel=0.03)


def test_a_lower_quality_changes_a_photo_more_and_a_doubled_change_counts_twice(photo: Tensor) -> None:
    rough = (photo + 0.05 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    fine, coarse = (reencoded(rough, "JPEG", quality) for quality in (90, 40))
    assert (coarse - rough).square().mean() > (fine - rough).square().mean()
    assert float(amplification(rough + 2 * (fine - rough), rough, fine, rough)) == pytest.approx(2, rel=1e-4)
