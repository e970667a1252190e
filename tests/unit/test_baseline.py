import torch

from tests.bench.fast_neural_style import FastNeuralStyle
from workers.model.generator import Architecture, Generator, neutral_row


def test_the_baseline_is_the_generator_of_full_width_with_one_style() -> None:
    """Away from the border, where the generator sees the picture go on; its statistics are nearly the same."""
    torch.manual_seed(6)
    architecture = Architecture(width=8, blocks=5)
    generator, another = (Generator(architecture).eval().requires_grad_(False) for _ in range(2))
    row = neutral_row(architecture) + 0.2 * torch.randn(architecture.row_size)
    photo = torch.rand(1, 3, 192, 192)
    same, different = (
        (FastNeuralStyle.of(of, row)(photo) - generator(photo, row[None])).abs()[..., 48:-48, 48:-48].mean()
        for of in (generator, another)
    )
    assert same < 0.005
    assert different > 0.05


def test_the_baseline_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in FastNeuralStyle().parameters()) == 1_679_235
