"""The generator: one feed-forward network for all styles.

The network of Johnson et al. (2016, arXiv:1603.08155) with the conditional instance normalisation
of Dumoulin et al. (2017, arXiv:1610.07629): the convolutions (the *trunk*) are shared, and a style
is a *row* of scales and shifts, one pair per channel of every normalisation. Reflection padding and
nearest-neighbour upsampling keep frames and checkerboards out (Odena et al. 2016).

    photo (N, 3, H, W) in [0, 1]
      → 9×9 conv → two stride-2 convs → residual blocks → two ×2 upsamplings → 9×9 conv → sigmoid

The residual blocks work on a picture that its own mirror image continues by ``MARGIN`` positions on each side.
Padded layer by layer instead, they tell a border from the inside, and paint is paler along it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Moments = tuple[Tensor, Tensor]
Measure = Callable[[Tensor], Moments]

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
EPSILON = 1e-5
SMALLEST_PX = 32
"""Reflection padding and two stride-2 layers need at least this many pixels on each side."""

MARGIN = 3
"""Positions, of 4 pixels each, by which features are mirrored around the picture for the residual blocks.

Against paint that knows what lies beyond the border, the outer 8 px lose 1.0 of chroma instead of 5.9 (mean over 8
photos in 17 styles), for about 3 % of the time at 768 × 512 px in bfloat16. Mirroring the photo gains little more.
"""


@dataclass(frozen=True)
class Architecture:
    """What must agree between a trunk's weights and the code that loads them."""

    width: int = 16
    blocks: int = 5

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each conditional normalisation, in the order of the forward pass."""
        w = self.width
        return (w, 2 * w, 4 * w, *(4 * w,) * (2 * self.blocks), 2 * w, w)

    @property
    def row_size(self) -> int:
        """Numbers in a style row: a scale and a shift per normalised channel."""
        return 2 * sum(self.channels)


def instance_moments(x: Tensor) -> Moments:
    """Mean and variance over height and width, in fp32: two tensors (N, C, 1, 1).

    Two plain means are 20 times as fast as ``torch.var_mean``, which was half of the forward pass.
    """
    x = x.float()
    mean = x.mean((2, 3), keepdim=True)
    return mean, _variance(mean, x.square().mean((2, 3), keepdim=True))


def _variance(mean: Tensor, mean_of_squares: Tensor) -> Tensor:
    """Rounding may leave a flat channel just below 0."""
    return (mean_of_squares - mean.square()).clamp_min(0)


class AreaMoments:
    """Measures over an area of the picture only, the rest counting next to nothing.

    A product on flat white is so normalised as if the white were not there, and keeps its own range
    of tones instead of being crowded into one end of the style's.
    """

    LEAST = 1e-3
    """Weight of what lies outside, so that a picture without any inside has statistics, too."""

    def __init__(self, area: Tensor) -> None:
        """``area``: (N, 1, H, W) in [0, 1], 1 where a picture is measured."""
        self._area = area
        self._sized: dict[tuple[int, int], Tensor] = {}

    def __call__(self, x: Tensor) -> Moments:
        """Weighted mean and variance over height and width, in fp32: two tensors (N, C, 1, 1)."""
        weight = self._weight(x.shape[2], x.shape[3])
        pixels = x.float().permute(0, 2, 3, 1).flatten(1, 2)
        mean, squares = (torch.bmm(weight, of).view(len(x), -1, 1, 1) for of in (pixels, pixels.square()))
        return mean, _variance(mean, squares)

    def _weight(self, height: int, width: int) -> Tensor:
        """The area at a layer's size, summing to 1: (N, 1, height · width)."""
        size = (height, width)
        if size not in self._sized:
            weight = F.adaptive_avg_pool2d(self._area.float(), size).flatten(2) + self.LEAST
            self._sized[size] = weight / weight.sum(2, keepdim=True)
        return self._sized[size]


class MomentsRecorder:
    """Measures as another measure does and remembers, so that tiles can reuse the statistics."""

    def __init__(self, measure: Measure = instance_moments) -> None:
        self._measure = measure
        self.recorded: list[Moments] = []

    def __call__(self, x: Tensor) -> Moments:
        """Measure ``x`` and append what was found."""
        self.recorded.append(self._measure(x))
        return self.recorded[-1]

    def replay(self) -> Measure:
        """Return a measure that answers with the recorded moments in order, whatever it is given.

        Statistics taken once from the whole picture leave no seams between tiles
        (URST, Chen et al. 2022, arXiv:2103.11784).
        """
        moments: Iterator[Moments] = iter(self.recorded)
        return lambda x: next(moments)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """Convolve in the precision of ``x``, whatever the weights are kept in."""
    return F.conv2d(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype), stride)


def mirrored(x: Tensor, margin: int) -> Tensor:
    """Continue (N, C, H, W) by its mirror image, the edge repeated: (N, C, H + 2 · margin, W + 2 · margin)."""
    for dim in (2, 3):
        before, after = x.narrow(dim, 0, margin), x.narrow(dim, x.shape[dim] - margin, margin)
        x = torch.cat((before.flip(dim), x, after.flip(dim)), dim)
    return x


def within(x: Tensor, margin: int) -> Tensor:
    """Return the inside of (N, C, H, W), without ``margin`` positions on each side."""
    return x[:, :, margin : x.shape[2] - margin, margin : x.shape[3] - margin] if margin else x


class Convolution(nn.Module):
    """Padding by the reflected or the repeated edge, then a convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, padding: str = "reflect") -> None:
        super().__init__()
        self.padding = (kernel // 2,) * 4
        self.padding_mode = padding
        self.stride = stride
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, ⌈H/stride⌉, ⌈W/stride⌉)."""
        padded = F.pad(x, self.padding, mode=self.padding_mode)
        return convolve(padded, self.conv.weight, self.conv.bias, self.stride)


class Upsampling(nn.Module):
    """Nearest-neighbour upsampling by 2, reflection padding, then a 3×3 convolution, in one step.

    Each of the four pixels that a pixel becomes sees only 2×2 pixels of the smaller picture, with
    sums of the nine weights: so the same result comes from one 2×2 convolution to four times the
    channels, without the large picture in between and with 4/9 of the multiplications.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3)
        # Which of the two pixels in a window each of the three weights falls on, for the pixel before
        # the window's middle and for the one after it.
        seen = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]])
        self.register_buffer("seen", seen, persistent=False)
        self.seen: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, 2H, 2W)."""
        weight = torch.einsum("aut,oits,bvs->oabiuv", self.seen, self.conv.weight, self.seen).flatten(0, 2)
        bias = cast(Tensor, self.conv.bias).repeat_interleave(4)
        # Reflecting the larger picture by a pixel repeats the edge of the smaller one.
        windows = convolve(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, bias)
        return F.pixel_shuffle(windows, 2)[:, :, 1:-1, 1:-1]


class Painting(nn.Module):
    """Reflection padding, then a 9×9 convolution to red, green and blue, two by two pixels at a time.

    Three output channels leave most of a CPU's vector registers empty; the twelve of a 10×10
    convolution with stride 2 fill them, at a third of the time.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, 3, H, W)."""
        height, width = x.shape[2:]
        padded = F.pad(x, (4, 4 + width % 2, 4, 4 + height % 2), mode="reflect")
        each = [F.pad(self.conv.weight, (b, 1 - b, a, 1 - a)) for a in (0, 1) for b in (0, 1)]
        weight = torch.stack(each, 1).flatten(0, 1)
        bias = cast(Tensor, self.conv.bias).repeat_interleave(4)
        return F.pixel_shuffle(convolve(padded, weight, bias, stride=2), 2)[:, :, :height, :width]


def normalise(x: Tensor, scale: Tensor, shift: Tensor, moments: Moments) -> Tensor:
    """Conditional instance normalisation: ``scale · (x − mean) / σ + shift``, per sample and channel."""
    mean, variance = moments
    factor = scale * torch.rsqrt(variance + EPSILON)
    return torch.addcmul((shift - mean * factor).to(x.dtype), x, factor.to(x.dtype))


class Generator(nn.Module):
    """The trunk. Style rows are an input of ``forward``, so one minibatch may mix styles and merchants."""

    def __init__(self, architecture: Architecture | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = architecture or Architecture()
        w = self.architecture.width
        self.encode = nn.ModuleList(
            [Convolution(3, w, 9), Convolution(w, 2 * w, 3, 2), Convolution(2 * w, 4 * w, 3, 2)]
        )
        self.residual = nn.ModuleList(
            nn.ModuleList([Convolution(4 * w, 4 * w, 3, padding="replicate") for _ in range(2)])
            for _ in range(self.architecture.blocks)
        )
        self.decode = nn.ModuleList([Upsampling(4 * w, 2 * w), Upsampling(2 * w, w)])
        self.paint = Painting(w)
        self.dropout = nn.Dropout2d(dropout)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor

    def forward(self, photo: Tensor, rows: Tensor, measure: Measure = instance_moments) -> Tensor:
        """Style photos.

        Args:
            photo: (N, 3, H, W), RGB in [0, 1], sides of at least ``SMALLEST_PX``; float32, or bfloat16 to
                compute in that, except for the statistics and the last step.
            rows: (N, row_size), one style row (or a weighted mean of several) per photo.
            measure: where the statistics of the normalisations come from; the picture's own by default.

        Returns:
            (N, 3, H, W) in [0, 1], float32.
        """
        affine = self._affine(rows)

        def norm(x: Tensor, margin: int = 0) -> Tensor:
            scale, shift = next(affine)
            return normalise(x, scale, shift, measure(within(x, margin)))

        x = (photo - self.mean.to(photo.dtype)) / self.std.to(photo.dtype)
        for layer in self.encode:
            x = norm(layer(x)).relu_()
        x = mirrored(x, MARGIN)
        for block in self.residual:
            first, second = cast(nn.ModuleList, block)
            inner = self.dropout(norm(first(x), MARGIN).relu_())
            x = norm(second(inner), MARGIN).add_(x)
        x = within(x, MARGIN)
        for layer in self.decode:
            x = norm(layer(x)).relu_()
        height, width = photo.shape[2:]
        return torch.sigmoid(self.paint(x[:, :, :height, :width]).float())

    def _affine(self, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Cut rows (N, row_size) into the (scale, shift) pairs, each (N, C, 1, 1), in forward order."""
        offset = 0
        for channels in self.architecture.channels:
            pair = rows[:, offset : offset + 2 * channels].view(-1, 2, channels, 1, 1)
            yield pair[:, 0], pair[:, 1]
            offset += 2 * channels


def neutral_row(architecture: Architecture) -> Tensor:
    """Return the row (row_size,) of scales 1 and shifts 0, from which a style starts to be learnt."""
    parts = [torch.cat((torch.ones(c), torch.zeros(c))) for c in architecture.channels]
    return torch.cat(parts)
