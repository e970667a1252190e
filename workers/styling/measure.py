"""How far a rendition is from its photo, measured cheaply: at ``MEASURED_PX``, not in a perceptual network.

SSIM stands for content (Wang et al. 2004), CIEDE2000 for colour (Sharma et al. 2005), and white is counted. These are
figures to compare renditions by, and to find the odd one among thousands; they are not what the training optimises.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shared.quality.gate import Quality
from workers.images.resize import resize
from workers.model.measures.colour_difference import ciede2000, to_lab
from workers.model.ssim import WINDOW_PX, ssim

Pixels = npt.NDArray[np.uint8]

MEASURED_PX = 160
"""Longer side at which is measured: so small that it costs a few hundredths of painting."""

WHITE_LOSS = 4
"""Levels of 255 by which a background may be darker and still count as kept."""


@torch.inference_mode()
def measure(photo: Pixels, rendition: Pixels, weight: Pixels, strength: float) -> Quality:
    """Measure a rendition beside its photo, both uint8 (H, W, 3), painted where ``weight``, uint8 (h, w), is not 0."""
    height, width = photo.shape[:2]
    factor = min(1.0, MEASURED_PX / max(height, width))
    size = max(WINDOW_PX, round(width * factor)), max(WINDOW_PX, round(height * factor))
    before, after = (_tensor(resize(pixels, size, "bicubic")) for pixels in (photo, rendition))
    share = resize(np.repeat(weight[..., np.newaxis], 3, axis=2), size, "bicubic")[..., 0]
    painted = torch.from_numpy(share > 127)
    kept = torch.from_numpy(share == 0)
    lab = to_lab(before)
    difference = ciede2000(to_lab(after), lab)[0]
    darker = (before - after).amax(1)[0] * 255
    return Quality(
        content_distance=1 - float(ssim(after, before)),
        product_delta_e=float(difference[painted].mean()) if painted.any() else 0.0,
        white_kept=float((darker[kept] <= WHITE_LOSS).float().mean()) if kept.any() else 1.0,
        strength=strength,
        lightness=float(lab[0, 0][painted].mean()) if painted.any() else None,
    )


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
