from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from shared.models.versions import BUILT_IN
from workers.model import tiles
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.generator import (
    Architecture,
    AreaMoments,
    Generator,
    MomentsRecorder,
    Painting,
    Upsampling,
    instance_moments,
    mirrored,
    neutral_row,
    within,
)
from workers.model.measures.colour_difference import to_lab

TINY = Architecture(width=4, blocks=1)
SAMPLES = Path(__file__).parents[2] / "samples" / "photos"


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(3)
    return Generator(TINY).eval().requires_grad_(False)


def random_rows(count: int) -> torch.Tensor:
    return neutral_row(TINY) + 0.3 * torch.randn(count, TINY.row_size)


def test_the_picture_keeps_its_size_and_range(generator: Generator) -> None:
    painted = generator(torch.rand(2, 3, 33, 47), random_rows(2))
    assert painted.shape == (2, 3, 33, 47)
    assert 0 <= painted.min() <= painted.max() <= 1


def test_a_picture_does_not_depend_on_its_minibatch(generator: Generator) -> None:
    photos, rows = torch.rand(3, 3, 40, 40), random_rows(3)
    together = generator(photos, rows)
    alone = torch.cat([generator(photos[i : i + 1], rows[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_styles_give_different_pictures_and_neighbouring_mixes_similar_ones(generator: Generator) -> None:
    photo, (a, b) = torch.rand(1, 3, 40, 40), random_rows(2)
    painted = {w: generator(photo, (w * a + (1 - w) * b)[None]) for w in (0.0, 0.5, 0.51, 1.0)}
    assert (painted[0.0] - painted[1.0]).abs().max() > 0.02
    assert (painted[0.5] - painted[0.51]).abs().max() < 0.02


def test_moments_are_mean_and_variance() -> None:
    mean, variance = instance_moments(torch.tensor([[[[1.0, 3.0]]]]))
    assert (mean.item(), variance.item()) == (2.0, 1.0)


def test_moments_of_the_whole_area_are_the_instance_moments() -> None:
    x = torch.rand(2, 3, 10, 12)
    for found, wanted in zip(AreaMoments(torch.ones(2, 1, 40, 48))(x), instance_moments(x), strict=True):
        assert torch.allclose(found, wanted, atol=1e-6)


def test_moments_of_an_area_hardly_see_what_lies_outside() -> None:
    x, area = torch.rand(1, 3, 10, 12), torch.zeros(1, 1, 20, 24)
    area[..., :12] = 1
    x[..., 6:] = 100.0
    mean, variance = AreaMoments(area)(x)
    inside_mean, inside_variance = instance_moments(x[..., :6])
    assert torch.allclose(mean, inside_mean, atol=0.11)
    assert (mean - inside_mean).abs().max() < 0.01 * (instance_moments(x)[0] - inside_mean).abs().min()
    assert torch.isfinite(variance / inside_variance).all()


def test_a_picture_without_any_area_can_still_be_painted(generator: Generator) -> None:
    painted = tiles.paint(generator, torch.ones(1, 3, 40, 40), random_rows(1), torch.zeros(1, 1, 40, 40))
    assert torch.isfinite(painted).all()


def test_replayed_moments_of_a_picture_paint_the_same(generator: Generator) -> None:
    photo, row, recorder = torch.rand(1, 3, 40, 40), random_rows(1), MomentsRecorder()
    plain = generator(photo, row, recorder)
    assert torch.equal(generator(photo, row, recorder.replay()), plain)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (1, 100)])
def test_tiny_pictures_come_out_at_their_size(generator: Generator, size: tuple[int, int]) -> None:
    assert tiles.paint(generator, torch.rand(1, 3, *size), random_rows(1)).shape == (1, 3, *size)


def test_a_tile_is_what_the_whole_would_be_there(generator: Generator) -> None:
    photo, row = torch.rand(1, 3, 150, 210, generator=torch.Generator().manual_seed(1)), random_rows(1)
    whole = generator(photo, row, tiles.moments_of_whole(generator, photo, row).replay())
    assert torch.allclose(tiles.paint(generator, photo, row, tile_px=64), whole, atol=1e-5)


def test_the_tiles_of_the_built_in_checkpoint_have_no_seams() -> None:
    """Across a border of tiles the paint changes as it does where there is none."""
    checkpoint = Checkpoint.load(BUILT_IN)
    trunk, row = trunk_from_bytes(checkpoint.trunk), row_from_bytes(checkpoint.rows["starry-night"])[None]
    with Image.open(SAMPLES / "sofa.jpg") as image:
        pixels = np.array(image.convert("RGB").resize((216, 144)))
    photo = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        painted = tiles.paint(trunk, photo, row, tile_px=96)
        whole = trunk(photo, row, tiles.moments_of_whole(trunk, photo, row).replay())
    assert seam(painted, 96) == pytest.approx(seam(whole, 96), rel=0.01)
    shifted = painted.clone()
    shifted[..., 96:] += 0.1  # what a tile with statistics of its own would look like
    assert seam(shifted, 96) > 1.1 * seam(painted, 96)


def seam(painted: torch.Tensor, at: int) -> float:
    """Mean change from column ``at`` − 1 to ``at``, over the median of that between other columns."""
    steps = (painted[..., 1:] - painted[..., :-1]).abs().mean(dim=(0, 1, 2))
    return float(steps[at - 1] / steps.median())


def test_upsampling_is_nearest_neighbour_and_a_convolution() -> None:
    torch.manual_seed(4)
    layer, x = Upsampling(5, 3), torch.randn(2, 5, 6, 7)
    enlarged = F.pad(F.interpolate(x, scale_factor=2.0, mode="nearest"), (1, 1, 1, 1), mode="reflect")
    assert torch.allclose(layer(x), layer.conv(enlarged), atol=1e-5)


@pytest.mark.parametrize("size", [(12, 16), (13, 15)])
def test_painting_is_a_convolution_over_the_reflected_picture(size: tuple[int, int]) -> None:
    torch.manual_seed(5)
    layer, x = Painting(5), torch.randn(2, 5, *size)
    assert torch.allclose(layer(x), layer.conv(F.pad(x, (4, 4, 4, 4), mode="reflect")), atol=1e-5)


def test_half_precision_paints_nearly_the_same(generator: Generator) -> None:
    photo, rows = torch.rand(1, 3, 40, 40), random_rows(1)
    assert (generator(photo, rows) - generator(photo.bfloat16(), rows)).abs().mean() < 0.01


def test_statistics_are_taken_within_the_picture_and_not_over_its_mirrored_margin(generator: Generator) -> None:
    photo, row, sizes = torch.rand(1, 3, 40, 48), random_rows(1), []

    def measure(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sizes.append(tuple(x.shape[2:]))
        return instance_moments(x)

    generator(photo, row, measure)
    assert sizes == [(40, 48), (20, 24), (10, 12), (10, 12), (10, 12), (20, 24), (40, 48)]


def test_the_border_of_a_photo_is_painted_as_strongly_as_its_inside() -> None:
    """Paint at a border has nearly the chroma that it has where the photo goes on."""
    checkpoint = Checkpoint.load(BUILT_IN)
    trunk, row = trunk_from_bytes(checkpoint.trunk), row_from_bytes(checkpoint.rows["starry-night"])[None]
    with Image.open(SAMPLES / "sofa.jpg") as image:
        pixels = np.array(image.convert("RGB").resize((320, 240)))
    photo, recorder = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255, MomentsRecorder()
    with torch.inference_mode():
        whole = trunk(photo, row, recorder)[..., 64:-64, 64:-64]
        cut = trunk(photo[..., 64:-64, 64:-64], row, recorder.replay())
    assert border_chroma(cut) > 0.9 * border_chroma(whole)


def border_chroma(picture: torch.Tensor) -> float:
    """Mean CIELAB chroma of the outer 8 pixels of (1, 3, H, W)."""
    chroma = to_lab(picture)[0, 1:].norm(dim=0)
    border = torch.ones_like(chroma, dtype=torch.bool)
    border[8:-8, 8:-8] = False
    return float(chroma[border].mean())


def test_mirrored_features_repeat_the_edge_and_keep_the_inside() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    around = mirrored(x, 2)
    assert around.shape == (1, 1, 7, 8)
    assert torch.equal(within(around, 2), x)
    assert around[0, 0, 2].tolist() == [1, 0, 0, 1, 2, 3, 3, 2]
    assert around[0, 0, :, 2].tolist() == [4, 0, 0, 4, 8, 8, 4]
