import torch

from tests.bench.fast_neural_style import FastNeuralStyle
from workers.model.generator import Architecture, Generator, neutral_row


def test_the_baseline_is_the_generator_of_full_width_with_one_style() -> None:
    torch.manual_seed(6)
    architecture = Architecture(width=8, blocks=5)
    generator = Generator(architecture).eval().requires_grad_(False)
    row = neutral_row(architecture) + 0.2 * torch.randn(architecture.row_size)
    photo = torch.rand(1, 3, 48, 64)
    assert torch.allclose(FastNeuralStyle.of(generator, row)(photo), generator(photo, row[None]), atol=1e-4)


def test_the_baseline_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in FastNeuralStyle().parameters()) == 1_679_235
