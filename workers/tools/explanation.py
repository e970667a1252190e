"""Explain a rendition from files, for ``atelier explain``, without any service.

What changed follows from the two pictures alone. How far the content moved and how near the style came is measured
with VGG-19. What the rendition resembles needs the style image, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from shared.errors import ImageError, UsageError
from workers.drawing.change_picture import change_picture
from workers.drawing.resemblance_picture import resemblance_picture
from workers.images.background import paint_weight
from workers.images.compose import shrink, working_size
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.images.photo import Photo
from workers.model.dataset import load_image
from workers.model.losses import grams, style_errors
from workers.model.measures.change import ColourChange
from workers.model.measures.evaluation import STYLE_PX
from workers.model.measures.metrics import content_distances
from workers.model.measures.resemblance import find_resemblances
from workers.model.vgg import Vgg, view_px

Pixels = npt.NDArray[np.uint8]

SMALLEST_PX = 32

WRITTEN = ("changes.png", "resemblance.png", "explanation.json")
"""Names of the files that explain a rendition."""


@dataclass(frozen=True)
class PicturePair:
    """Photo and rendition at the size at which the generator works.

    ``photo`` and ``rendition`` are uint8 (H, W, 3), ``painted`` is bool (H, W), false on a white background.
    """

    photo: Pixels
    rendition: Pixels
    painted: Tensor

    @classmethod
    def of(cls, photo: Path, rendition: Path, limits: Limits, working_px: int) -> PicturePair:
        """Read both files. Raises UsageError, or ImageError, which names the file."""
        source, made = _read(photo, limits), _read(rendition, limits)
        # Sizes are rounded to pixels, so equal shapes may differ slightly.
        skew = abs(source.width * made.height - made.width * source.height)
        if skew > max(source.width + source.height, made.width + made.height):
            raise UsageError(
                f"{rendition} ({made.width}×{made.height}) does not have the shape of {photo} "
                f"({source.width}×{source.height}): only a rendition that shows the whole photo can be explained"
            )
        size = working_size(made.width, made.height, working_px=working_px, texture_scale=1)
        if min(size) < SMALLEST_PX:
            raise UsageError(f"{rendition} is too small to be explained: it needs {SMALLEST_PX} pixels on each side")
        small = shrink(source.rgb, size)
        return cls(small, shrink(made.rgb, size), torch.from_numpy(paint_weight(small)) > 127)


def require_other_files(out: Path, *inputs: Path) -> None:
    """Raise UsageError, before any work, where one of the files written to ``out`` would replace an input."""
    for name in WRITTEN:
        for path in inputs:
            if (out / name).exists() and path.exists() and (out / name).samefile(path):
                raise UsageError(f"--out {out} would overwrite {path}: choose another folder", code="overwrites_source")


def explain(pair: PicturePair, style_image: Path | None, vgg: Vgg | None, out: Path) -> dict[str, Any]:
    """Explain a rendition; write ``changes.png``, ``resemblance.png`` and ``explanation.json`` to ``out``.

    Without VGG-19 it only describes the change, without a style image nothing of the style. Returns the content
    of the JSON file. Raises UsageError if ``out`` cannot be written to.
    """
    pictures: dict[str, Image.Image] = {}
    change = ColourChange.between(_unit(pair.photo)[0], _unit(pair.rendition)[0])
    parts = {"picture": torch.ones_like(pair.painted), "product": pair.painted, "background": ~pair.painted}
    if pair.painted.all():
        del parts["product"], parts["background"]
    explanation: dict[str, Any] = {
        "size_px": list(pair.rendition.shape[1::-1]),
        "change": {name: asdict(part) for name, area in parts.items() if (part := change.within(area))},
    }
    pictures["changes.png"] = change_picture(pair.photo, pair.rendition, change.delta.numpy())
    if vgg is not None:
        before, after = (_look(vgg, _unit(pixels)) for pixels in (pair.photo, pair.rendition))
        explanation["view_px"] = {layer: view_px(layer) for layer in after}
        explanation["content"] = _numbers(content_distances(after, before))
        if style_image is not None:
            style = load_image(style_image, STYLE_PX)
            style_features = _look(vgg, style[None].float() / 255)
            targets = grams(style_features)
            explanation["style"] = {
                name: _numbers(style_errors(grams(picture), targets))
                for name, picture in (("photo", before), ("rendition", after))
            }
            height, width = after["relu4_1"].shape[2:]
            inside = F.adaptive_avg_pool2d(pair.painted[None].float(), (height, width))[0] > 0.5
            resemblances = find_resemblances(after, style_features, inside)
            explanation["style_size_px"] = [style.shape[2], style.shape[1]]
            explanation["resemblances"] = [asdict(place) for place in resemblances.places]
            pictures["resemblance.png"] = resemblance_picture(
                pair.rendition, style.permute(1, 2, 0).numpy(), resemblances
            )
    _write(out, explanation, pictures)
    return explanation


def _write(out: Path, explanation: Mapping[str, Any], pictures: Mapping[str, Image.Image]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            picture.save(out / name)
        (out / "explanation.json").write_text(json.dumps(explanation, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}") from error


def _read(path: Path, limits: Limits) -> Photo:
    try:
        return decode(path.read_bytes(), limits)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from error


@torch.inference_mode()
def _look(vgg: Vgg, picture: Tensor) -> dict[str, Tensor]:
    """Return the VGG-19 features of a picture (1, 3, H, W) in [0, 1], in CPU memory."""
    return {layer: features.cpu() for layer, features in vgg(picture.to(vgg.mean.device)).items()}


def _unit(pixels: Pixels) -> Tensor:
    """Convert uint8 (H, W, 3) to (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255


def _numbers(by_layer: Mapping[str, Tensor]) -> dict[str, float]:
    return {layer: float(value) for layer, value in by_layer.items()}
