"""Cut-out products with exactly known masks: from alpha, or from photos on a plain ground where that is sure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from scipy import ndimage

from workers.mask.alpha import alpha_mask, is_cut_out
from workers.mask.plain_ground import plain_ground
from workers.model.dataset import find_images, side_of

Pixels = npt.NDArray[np.uint8]

CUTOUT_PX = 448
"""Longer side of a cut-out in memory; the plain ground is found at this size too."""

SURE_PLAINNESS, SURE_CONTRAST = 0.6, 7.0
"""Plainness of the ground and contrast of the outline from which a mask by the plain way can be learnt from."""

SURE_AREA = (0.03, 0.75)
"""Share of the picture that such a product may fill."""

SPECK_SHARE = 0.01
"""Parts and holes smaller than this share of the product are specks, remains of a shadow and highlights."""


@dataclass(frozen=True)
class Cutout:
    """A product and its mask.

    ``rgb``     uint8 (h, w, 3), the whole picture.
    ``mask``    uint8 (h, w): 0 ground, 255 product.
    ``own``     whether the picture has a ground of its own, with its shadow, to be learnt from as it is.
    ``name``    the file's name.
    """

    rgb: Pixels
    mask: Pixels
    own: bool
    name: str


def load_cutouts(
    folders: Sequence[Path], side: str, held_out: Sequence[str], tell: Callable[[str], None] | None = None
) -> list[Cutout]:
    """Return the cut-outs below some folders that belong to a side of the split.

    ``side`` is ``train``, ``validation`` or ``test``. A photo's side follows from the hash of its content; a file
    whose name begins with one of ``held_out`` is in the test set only, so that no view of that product is learnt.
    """
    cutouts, seen = [], set()
    for folder in folders:
        for path in find_images(folder):
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            belongs = "test" if path.name.startswith(tuple(held_out)) else side_of(digest)
            if belongs != side or digest in seen or path.name.endswith(".mask.png"):
                continue
            seen.add(digest)
            cutout = read_cutout(path)
            if cutout is not None:
                cutouts.append(cutout)
    if tell:
        tell(f"{len(cutouts)} cut-outs for {side}")
    return cutouts


def read_cutout(path: Path) -> Cutout | None:
    """Read a product and its mask, at most ``CUTOUT_PX`` long; None where the mask is not sure.

    The mask of ``NAME.png`` is ``NAME.mask.png`` where there is one, else its alpha, else the plain way's.
    """
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        image.thumbnail((CUTOUT_PX, CUTOUT_PX), Image.Resampling.LANCZOS)
        beside = path.with_suffix(".mask.png")
        if beside.exists():
            with Image.open(beside) as stored:
                mask = np.asarray(stored.convert("L").resize(image.size, Image.Resampling.BOX))
            return Cutout(np.array(image.convert("RGB")), mask, True, path.name)
        if image.has_transparency_data:
            pixels = np.array(image.convert("RGBA"))
            rgb, alpha = pixels[..., :3].copy(), pixels[..., 3]
            if is_cut_out(alpha):
                return Cutout(rgb, alpha_mask(rgb, alpha, image.size), False, path.name)
        rgb = np.array(image.convert("RGB"))
    ground = plain_ground(rgb)
    share = float(ground.product.mean()) / 255
    if ground.plainness < SURE_PLAINNESS or ground.contrast < SURE_CONTRAST or not SURE_AREA[0] < share < SURE_AREA[1]:
        return None
    return Cutout(rgb, without_specks(ground.product), True, path.name)


def without_specks(mask: Pixels) -> Pixels:
    """Take away small parts and fill small holes: uint8 (h, w) → (h, w)."""
    solid = mask > 127
    least = SPECK_SHARE * solid.sum()
    parts, count = ndimage.label(solid)
    small = np.bincount(parts.ravel(), minlength=count + 1) < least
    small[0] = False
    # A thin remain of a shadow is long, but does not survive an opening.
    kept = mask.copy()
    kept[ndimage.binary_dilation(small[parts], iterations=2)] = 0
    holes, count = ndimage.label(kept <= 127)
    small = np.bincount(holes.ravel(), minlength=count + 1) < least
    small[0] = False
    kept[ndimage.binary_dilation(small[holes], iterations=2)] = 255
    return kept
