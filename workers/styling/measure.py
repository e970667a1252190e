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
from shared.strength import Strength
from workers.images.resize import resize
from workers.model.measures.colour_difference import ciede2000, to_lab
from workers.model.ssim import EDGE_DEVIATION, WINDOW_PX, Similarity
from workers.styling.fidelity import halo, lettering_agreement, silhouette_lost
from workers.styling.product import Product

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

MEASURED_PX = 160
"""Longer side at which is measured: so small that it costs a few hundredths of painting."""

WHITE_LOSS = 4
"""Levels of 255 by which a background may be darker and still count as kept."""


@torch.inference_mode()
def measure(
    photo: Pixels, rendition: Pixels, weight: Pixels, strengths: Strength, product: Product | None = None
) -> Quality:
    """Measure a rendition beside its photo, both uint8 (H, W, 3).

    Args:
        photo: the source.
        rendition: what was made of it.
        weight: how much of the paint each pixel takes, uint8 (h, w).
        strengths: of scene and product in the rendition.
        product: where the product is; None if the look does not need to know.
    """
    height, width = photo.shape[:2]
    factor = min(1.0, MEASURED_PX / max(height, width))
    size = max(WINDOW_PX, round(width * factor)), max(WINDOW_PX, round(height * factor))
    before, after = (_tensor(resize(pixels, size, "bicubic")) for pixels in (photo, rendition))
    share = _shrunk(weight, size)
    known = product is not None and product.is_found
    on_product = _shrunk(product.mask, size) > 127 if product is not None and known else share > 127
    where, kept, painted = (torch.from_numpy(part) for part in (on_product, share == 0, share > 127))
    lab = to_lab(before)
    lab_after = to_lab(after)
    difference = ciede2000(lab_after, lab)[0][where]
    darker = (before - after).amax(1)[0] * 255
    similar = Similarity.between(after, before)
    scene = not on_product.all() and on_product.any() and (known or kept.any())
    fields = [values[0].permute(1, 2, 0).numpy() for values in (lab, lab_after)] if scene else []
    return Quality(
        content_distance=1 - float(similar.ssim.mean()),
        product_delta_e=float(difference.mean()) if where.any() else 0.0,
        white_kept=float((darker[kept] <= WHITE_LOSS).float().mean()) if kept.any() else 1.0,
        strength=strengths.scene,
        lightness=float(lab[0, 0][painted].mean()) if painted.any() else None,
        delta_e_p95=float(difference.quantile(0.95)) if where.any() else None,
        edges=_edges(similar, on_product),
        lettering=_lettering(photo, rendition, product),
        silhouette=silhouette_lost(fields[0], fields[1], on_product) if scene else None,
        halo=halo(fields[0], fields[1], on_product) if scene else None,
        mask=None if product is None else product.confidence,
        product_strength=None if strengths.product in (None, strengths.scene) else strengths.product,
    )


def _edges(similar: Similarity, where: Mask) -> float | None:
    """Return the mean structural agreement where the photo has edges within ``where``, 0 to 1; None if it has none."""
    margin = WINDOW_PX // 2
    inner = torch.from_numpy(where[margin : where.shape[0] - margin, margin : where.shape[1] - margin])
    edges = inner & (similar.deviation[0] >= EDGE_DEVIATION)
    return float(similar.structure[0][edges].mean().clamp_min(0)) if edges.any() else None


def _lettering(photo: Pixels, rendition: Pixels, product: Product | None) -> float | None:
    if product is None or product.lettering is None:
        return None
    return lettering_agreement(photo, rendition, product.lettering)


def _shrunk(weight: Pixels, size: tuple[int, int]) -> Pixels:
    return resize(np.repeat(weight[..., np.newaxis], 3, axis=2), size, "bicubic")[..., 0]


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
