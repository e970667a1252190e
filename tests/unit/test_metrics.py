import math

import pytest
import torch
from torch import Tensor

from workers.model.losses import grams, style_error
from workers.model.measures import artefacts, metrics
from workers.model.measures.colour_difference import ciede2000, colour_drift, to_lab
from workers.model.ssim import Similarity, luminance, ssim
from workers.model.vgg import STYLE_TAPS

# Sharma, Wu and Dalal 2005, table 1: L, a, b of two colours and their difference.
PUBLISHED = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def picture(height: int = 96, width: int = 128, seed: int = 3) -> Tensor:
    """Smooth shapes with some texture, away from black and white: (1, 3, H, W)."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 9, generator=rng)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return 0.25 + 0.5 * smooth + 0.02 * torch.randn(1, 3, height, width, generator=rng)


def features(seed: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {tap: torch.rand(2, 8, 6, 5, generator=rng) for tap in (*metrics.CONTENT_TAPS, *STYLE_TAPS)}


def test_ssim_of_equal_pictures_is_one_and_of_a_negative_below_zero() -> None:
    photo = picture()
    assert float(ssim(photo, photo)) == pytest.approx(1)
    rough = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    assert float(ssim(1 - rough, rough)) < -0.8


def test_ssim_of_constant_pictures_is_the_luminance_term_alone() -> None:
    dark, light = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.6)
    wanted = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert float(ssim(dark, light)) == pytest.approx(wanted, abs=1e-3)


def test_ssim_falls_with_noise_and_sees_one_photo_for_several_pictures() -> None:
    photo, noise = picture(), torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    values = ssim(torch.cat([photo, photo + 0.02 * noise, photo + 0.2 * noise]), photo).tolist()
    assert values == sorted(values, reverse=True)
    assert values[2] < 0.5


def test_ssim_of_one_window_is_what_the_formula_gives() -> None:
    x, y = (picture(11, 11, seed) for seed in (5, 6))
    at = torch.arange(11) - 5.0
    window = torch.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    window /= window.sum()
    a, b = luminance(x)[0, 0], luminance(y)[0, 0]
    mean_a, mean_b = (window * a).sum(), (window * b).sum()
    var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
    covariance = (window * (a - mean_a) * (b - mean_b)).sum()
    wanted = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    wanted /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
    assert float(ssim(x, y)) == pytest.approx(float(wanted), rel=1e-4)


def test_perceptual_distance_compares_directions_only() -> None:
    found = features(1)
    scaled = {tap: 3 * one for tap, one in found.items()}
    assert metrics.perceptual_distance(scaled, found).tolist() == pytest.approx([0, 0], abs=1e-6)
    # Features at right angles everywhere: |x̂ − ŷ|² = 2.
    left = {tap: torch.tensor([1.0, 0]).view(1, 2, 1, 1).expand(1, 2, 3, 3) for tap in metrics.CONTENT_TAPS}
    right = {tap: torch.tensor([0, 5.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3) for tap in metrics.CONTENT_TAPS}
    assert float(metrics.perceptual_distance(left, right)) == pytest.approx(2)


def test_perceptual_distance_is_that_of_unit_vectors() -> None:
    found, wanted = features(1), features(2)
    unit = torch.nn.functional.normalize
    distances = [(unit(found[t]) - unit(wanted[t])).square().sum(1).mean((1, 2)) for t in metrics.CONTENT_TAPS]
    expected = torch.stack(distances).mean(0)
    assert metrics.perceptual_distance(found, wanted).tolist() == pytest.approx(expected.tolist(), rel=1e-4)


def test_style_error_is_relative_and_blind_to_where_things_are() -> None:
    found = features(4)
    moved = {tap: one.flip(2, 3) for tap, one in found.items()}
    assert style_error(grams(moved), grams(found)).tolist() == pytest.approx([0, 0], abs=1e-9)
    # Features of double size have Gram matrices of four times the size: ‖4G − G‖² / ‖G‖² = 9.
    assert style_error(grams({t: 2 * x for t, x in found.items()}), grams(found)).tolist() == pytest.approx([9, 9])


def test_moments_are_means_and_standard_deviations_and_their_distance_is_known() -> None:
    found = features(4)
    moments = metrics.moments(found, grams(found))
    for tap in STYLE_TAPS:
        assert torch.allclose(moments[tap][0], found[tap].mean((2, 3)))
        assert torch.allclose(moments[tap][1], found[tap].std((2, 3), correction=0), atol=1e-5)
    assert metrics.moments_distance(moments, moments).tolist() == [0, 0]
    shifted = {tap: one + 1 for tap, one in found.items()}
    # Every one of 8 channels and 4 layers moves its mean by 1 and keeps its deviation.
    distance = metrics.moments_distance(metrics.moments(shifted, grams(shifted)), moments)
    assert distance.tolist() == pytest.approx([4 * math.sqrt(8)] * 2, rel=1e-3)


def test_the_covariance_error_of_a_tint_is_one_whatever_its_gram_error() -> None:
    style = {tap: 5 + torch.randn(1, 4, 9, 9, generator=torch.Generator().manual_seed(1)) for tap in STYLE_TAPS}
    tint = {tap: features.mean((2, 3), keepdim=True).expand_as(features) for tap, features in style.items()}
    found, wanted = (
        metrics.covariances(grams(features), {tap: one.mean((2, 3)) for tap, one in features.items()})
        for features in (tint, style)
    )
    assert style_error(grams(tint), grams(style)).tolist() == pytest.approx([0], abs=0.01)
    assert style_error(found, wanted).tolist() == pytest.approx([1], abs=0.01)
    assert style_error(wanted, wanted).tolist() == [0]
    for tap, features in style.items():
        expected = features[0].flatten(1).cov(correction=0)
        assert torch.allclose(wanted[tap][0], expected, atol=1e-4)


def test_edge_figures_are_means_over_the_edges_alone() -> None:
    photo = torch.full((1, 3, 60, 60), 0.4)
    photo[..., 30:] = 0.8
    lighter, flat = photo * 0.5 + 0.4, photo.clone()
    flat[..., :15] += 0.1 * torch.rand(1, 1, 60, 15)
    structure, similarity = (
        [float(metrics.edge_mean(getattr(similar, name), similar)) for similar in each]
        for name, each in (
            (name, [Similarity.between(image, photo) for image in (photo, lighter, flat, 1 - photo)])
            for name in ("structure", "ssim")
        )
    )
    assert structure == pytest.approx([1, 1, 1, -1], abs=0.08)
    assert similarity[0] == pytest.approx(1, abs=1e-4)
    assert similarity[2] == pytest.approx(1, abs=1e-4), "what is painted on flat places does not count"
    assert similarity[3] < similarity[1] < 0.95


def test_edge_figures_of_a_photo_without_edges_are_unknown() -> None:
    similar = Similarity.between(torch.rand(1, 3, 20, 20), torch.full((1, 3, 20, 20), 0.5))
    assert math.isnan(float(metrics.edge_mean(similar.ssim, similar)))


def test_the_combined_figure_prefers_a_good_rendition_to_the_photo_itself() -> None:
    good, photo, poor = metrics.combined(torch.tensor([0.8, 0.0, 0.9]), torch.tensor([0.06, 1.02, 0.3])).tolist()
    assert good < poor < photo


@pytest.mark.parametrize("line", PUBLISHED.strip().splitlines())
def test_colour_differences_are_the_published_ones(line: str) -> None:
    *colours, wanted = map(float, line.split())
    first, second = torch.tensor(colours, dtype=torch.float64).view(2, 1, 3)
    assert float(ciede2000(first, second)) == pytest.approx(wanted, abs=5e-5)
    assert float(ciede2000(second, first)) == pytest.approx(wanted, abs=5e-5)


def test_lab_of_known_colours() -> None:
    rgb = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64).view(4, 3, 1, 1)
    wanted = torch.tensor([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]).double()
    assert torch.allclose(to_lab(rgb)[:, :, 0, 0], wanted, atol=0.02)


def test_colour_drift_is_zero_for_the_photo_and_a_hundred_from_black_to_white() -> None:
    photo = picture()
    assert float(colour_drift(photo, photo)) == 0
    assert float(colour_drift(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4))) == pytest.approx(100, abs=0.01)


def test_white_kept_counts_the_background_of_shots_on_white_alone() -> None:
    shot, scene = torch.full((3, 20, 20), 0.95), torch.full((3, 20, 20), 0.5)
    shot[:, 5:15, 5:15] = 0.3
    shot[:, 8:12, 8:12] = 1  # white on the product, to be painted
    scene[:, 5:15, 5:15] = 1
    photo = torch.stack([shot, scene])
    kept, undefined = metrics.white_kept(photo, photo).tolist()
    assert kept == 1
    assert math.isnan(undefined)
    painted = photo.clone()
    painted[:, :, 5:15, 5:15] = 0.4
    assert metrics.white_kept(painted, photo)[0] == 1
    painted[:, 2, 0] = 0.9  # 20 of the 300 pixels around it turn yellowish
    painted[:, :, 1] = 0.94  # which nobody sees
    assert float(metrics.white_kept(painted, photo)[0]) == pytest.approx(280 / 300)


@pytest.mark.parametrize("period", [2, 4])
def test_a_faint_checkerboard_is_found_and_the_photo_alone_has_none(period: int) -> None:
    photo = picture()
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(128), indexing="ij")
    board = ((rows // (period // 2) + columns // (period // 2)) % 2) * 2.0 - 1
    assert float(artefacts.grid(photo, photo)) == 0
    assert float(artefacts.grid(photo + 0.03 * board, photo)) > 15
    assert float(artefacts.grid(photo + 0.03 * board, photo + 0.03 * board)) == 0
    assert float(artefacts.grid(picture(seed=8), photo)) < 3


def test_stripes_of_another_period_are_no_grid() -> None:
    photo = picture()
    stripes = torch.sin(torch.arange(128) * 2 * math.pi / 3).expand(96, 128)
    assert float(artefacts.grid(photo + 0.05 * stripes, photo)) < 3


def test_a_flat_picture_has_no_flaws() -> None:
    flat = torch.full((1, 3, 40, 40), 0.5)
    for flaw in (artefacts.grid, artefacts.frame, artefacts.blobs):
        assert flaw(flat, flat).tolist() == [0]


def test_a_frame_is_found_unless_the_photo_has_it() -> None:
    photo = picture()
    framed = photo - 0.2
    framed[:, :, 2:-2, 2:-2] = photo[:, :, 2:-2, 2:-2]
    assert float(artefacts.frame(framed, photo)) > 30
    assert float(artefacts.frame(framed, framed)) == 0
    assert float(artefacts.frame(photo - 0.2, photo)) == pytest.approx(0, abs=0.01)


def test_a_green_blob_is_found_unless_the_photo_has_it() -> None:
    photo = picture()
    blob = photo.clone()
    blob[:, :, 40:52, 60:72] = torch.tensor([0.0, 1, 0]).view(1, 3, 1, 1)
    found = float(artefacts.blobs(blob, photo))
    assert 1000 * 64 / (96 * 128) < found < 1000 * 300 / (96 * 128)
    assert float(artefacts.blobs(blob, blob)) == 0
    assert float(artefacts.blobs(photo, photo)) == 0
