"""Flaws that feed-forward generators are known for, measured against the photo they were given.

Pictures are float (N, 3, H, W) RGB in [0, 1], photos too (or one, (1, 3, H, W)); every measure returns
(N,), 0 where nothing is wrong, no upper end that matters. A style may rightly have some of each: compare
generators in the same style.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.ssim import luminance

TILE_PX = 64
RING_PX = 2
SEGMENT_PX = 16
BLOB_PX, AROUND_PX = 5, 31
BLOB_CONTRAST = 0.5
SATURATED, BRIGHT, DARK = 0.8, 0.95, 0.05
NOISE_POWER = 1e-4
"""Power below that of rounding to 8 bits, so that flat pictures have no peaks."""


def grid(image: Tensor, photo: Tensor) -> Tensor:
    """Regular patterns with periods of 2 and 4 pixels that the photo does not have, in dB, (N,).

    Upsampling by learned or strided layers leaves its grid (Odena et al. 2016, "Deconvolution and
    Checkerboard Artifacts"): sharp peaks of the spectrum at the frequencies ½ and ¼. The highest peak's
    power over that of its neighbourhood, less the same of the photo.
    """
    return (_peak(image) - _peak(photo)).clamp_min(0)


def _peak(image: Tensor) -> Tensor:
    """Highest peak at the upsampling frequencies over its neighbours, in dB: (N, 3, H, W) → (N,)."""
    power = _spectrum(luminance(image))
    half, quarter = TILE_PX // 2, TILE_PX // 4
    at = [(i, j) for i in (0, quarter, half, -quarter) for j in (0, quarter, half) if (i, j) != (0, 0)]
    levels = []
    for i, j in at:
        nearby = power.roll((6 - i, 6 - j), (1, 2))[:, :13, :13].log10()
        # The window's main lobe is 2 bins to each side; past it the neighbourhood begins.
        lobe = torch.zeros(13, 13, dtype=torch.bool, device=power.device)
        lobe[3:10, 3:10] = True
        levels.append(nearby[:, 6, 6] - nearby[:, ~lobe].mean(1))
    return 10 * torch.stack(levels).amax(0)


def _spectrum(y: Tensor) -> Tensor:
    """Mean power spectrum of half-overlapping tiles under a Hann window (Welch 1967): (N, TILE_PX, TILE_PX)."""
    height, width = y.shape[2:]
    y = F.pad(y, (0, max(0, TILE_PX - width), 0, max(0, TILE_PX - height)), mode="replicate")
    tiles = y[:, 0].unfold(1, TILE_PX, TILE_PX // 2).unfold(2, TILE_PX, TILE_PX // 2)
    window = torch.hann_window(TILE_PX, device=y.device)
    tiles = (tiles - tiles.mean((3, 4), keepdim=True)) * window[:, None] * window
    power: Tensor = torch.fft.fft2(tiles).abs().square().mean((1, 2)) + NOISE_POWER
    return power


def frame(image: Tensor, photo: Tensor) -> Tensor:
    """Steps between the outermost pixels and the next that the photo does not have, of 255, (N,).

    Zero padding draws such frames. The colour of stretches of 16 pixels along the border, 2 deep, is
    compared with that of the 4 pixels behind it, so that texture averages out.
    """
    return 255 * (_step(image) - _step(photo)).clamp_min(0)


def _step(image: Tensor) -> Tensor:
    """Mean difference of the outermost ring from the next, (N,)."""
    steps = []
    for side in (image, image.flip(2), image.transpose(2, 3), image.transpose(2, 3).flip(2)):
        segment = min(SEGMENT_PX, side.shape[3])
        outer = F.avg_pool2d(side[:, :, :RING_PX], (RING_PX, segment))
        inner = F.avg_pool2d(side[:, :, RING_PX : 3 * RING_PX], (2 * RING_PX, segment))
        steps.append((outer - inner).abs().mean((1, 2, 3)))
    return torch.stack(steps).mean(0)


def blobs(image: Tensor, photo: Tensor) -> Tensor:
    """Small spots of extreme colour that the photo does not have, in thousandths of the area, (N,).

    A spot's 5 pixels are very saturated, white or black, and differ from the 31 pixels around far more
    than in the photo (by ½, black to white being √3).
    """
    spot = _averaged(image, BLOB_PX)
    least, most = spot.amin(1), spot.amax(1)
    extreme = (most - least > SATURATED) | (least > BRIGHT) | (most < DARK)
    stands_out = _contrast(image) - _contrast(photo) > BLOB_CONTRAST
    return 1000 * (extreme & stands_out).float().mean((1, 2))


def _contrast(image: Tensor) -> Tensor:
    """Distance of each spot's colour from that of its surroundings: (N, 3, H, W) → (N, H, W)."""
    distance: Tensor = (_averaged(image, BLOB_PX) - _averaged(image, AROUND_PX)).norm(dim=1)
    return distance


def _averaged(image: Tensor, px: int) -> Tensor:
    """Mean of the ``px`` × ``px`` pixels around each, as far as there are: along the rows, then the columns."""
    rows = F.avg_pool2d(image, (1, px), stride=1, padding=(0, px // 2), count_include_pad=False)
    return F.avg_pool2d(rows, (px, 1), stride=1, padding=(px // 2, 0), count_include_pad=False)
