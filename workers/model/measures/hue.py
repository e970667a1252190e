"""Hue: whether what is red in a photo is red in its rendition."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.measures.colour_difference import to_lab

COLOURED = 10.0
"""CIELAB chroma from which a place of a photo has a hue to keep."""

GREY = 3.0
"""CIELAB chroma below which a rendition has none."""

KEPT_DEGREES = 30.0
"""How far a hue may turn: red, orange and yellow are about so far apart."""

PATCH_PX = 8
"""Side of the patches whose mean colours are compared, so that strokes of several colours mix as for the eye."""


def hue_kept(image: Tensor, photo: Tensor) -> Tensor:
    """Share of a photo's coloured patches whose hue angle turned by 30° at most, (N,); NaN for a grey photo.

    Hue angle and chroma are CIELAB's (CIE 15:2004, h_ab and C*_ab). Pictures are (N, 3, H, W) in [0, 1], the photo
    perhaps one for all. A patch that became grey has lost its hue.
    """
    before, after = (F.avg_pool2d(to_lab(picture), PATCH_PX)[:, 1:] for picture in (photo, image))
    chroma_before, chroma_after = before.norm(dim=1), after.norm(dim=1)
    cosine = (before * after).sum(1) / (chroma_before * chroma_after).clamp_min(1e-6)
    kept = (cosine >= torch.cos(torch.deg2rad(cosine.new_tensor(KEPT_DEGREES)))) & (chroma_after >= GREY)
    coloured = chroma_before >= COLOURED
    count = coloured.sum((1, 2)).float()
    share: Tensor = (kept & coloured).sum((1, 2)) / count.where(count > 0, torch.nan)
    return share
