"""What protection keeps of a product, and what it costs. Run it as

    python -m tests.bench.protection [PHOTO…] [--shirts PHOTO…] [--styles NAME…] [--working-px 512]

Every photo is painted once in every style; the same painting is composed without protection, and with what paintings
have by default. Figures are taken on the product mask, after a Gaussian of a 48th of the longer side, so that colours
count and strokes do not:

- the median CIEDE2000 to the photo, for coloured, black, white and grey products apart;
- the median difference of hue where the photo's chroma is above 10;
- for one product in several colours (``--shirts``), the distance of each two in CIELAB relative to that of their
  photos: the median, and the least of all pairs and styles;
- the share of renditions whose colour is nearest to that of their own photo, among all photos.

Core-seconds are those of this process, with one torch thread. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from shared.look import Look, parse_mix
from shared.protection import Protect
from shared.settings import Settings
from tests.bench.installation import ROOT
from tests.bench.results import machine, write_results
from workers.images.compose import Pixels, compose, working_size
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.images.resize import resize
from workers.images.working import at_working_size
from workers.mask.product_mask import product_mask
from workers.mask.segmenter import Segmenter
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.model.measures.colour_difference import ciede2000, to_lab
from workers.runtime.painter import Painter
from workers.styling.measure import measure
from workers.styling.product import Product, find_details, painted_area, protected, strengths_of

Lab = npt.NDArray[np.float32]

BLURS = 48
"""The longer side divided by the sigma of the Gaussian that leaves colours and takes strokes away."""

BLURRED_PX = 240
"""Longer side at which colours are compared."""

NEUTRAL, DARK, LIGHT, COLOURFUL = 8.0, 30.0, 75.0, 10.0
"""Mean chroma below which a product counts as neutral; L below and above which it is then black or white; and the
chroma of a pixel from which its hue means something."""


@dataclass
class Costs:
    """Core-seconds by stage, one number for each time."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add what the body takes."""
        began = time.process_time()
        yield
        self.seconds[name].append(time.process_time() - began)

    @property
    def medians(self) -> dict[str, float]:
        """Medians in core-seconds by stage."""
        return {name: round(statistics.median(values), 3) for name, values in self.seconds.items()}


@dataclass(frozen=True)
class Colours:
    """The slow colours of a product: CIELAB (h, w, 3), and their mean (3,)."""

    lab: Lab
    mean: Lab


@dataclass(frozen=True)
class Rendered:
    """One photo in one style: colours of the photo, without protection, and with it, by name."""

    photo: str
    style: str
    colours: dict[str, Colours]

    def delta_e(self, version: str) -> float:
        """Median CIEDE2000 of a version to the photo."""
        pair = (torch.from_numpy(self.colours[name].lab).T[None, ..., None] for name in ("photo", version))
        return float(ciede2000(*pair).median())

    def hue_error(self, version: str) -> float | None:
        """Median difference of hue to the photo in degrees; None where the product has none."""
        before, after = self.colours["photo"].lab, self.colours[version].lab
        colourful = np.hypot(before[:, 1], before[:, 2]) > COLOURFUL
        if not colourful.any():
            return None
        turn = [np.degrees(np.arctan2(lab[colourful, 2], lab[colourful, 1])) for lab in (before, after)]
        return float(np.median(np.abs((turn[0] - turn[1] + 180) % 360 - 180)))

    @property
    def kind(self) -> str:
        """``coloured``, ``black``, ``white`` or ``grey``, as the photo's mean colour is."""
        light, *chroma = self.colours["photo"].mean
        if np.hypot(*chroma) >= NEUTRAL:
            return "coloured"
        return "black" if light < DARK else "white" if light > LIGHT else "grey"


SEGMENTER = Segmenter()
VERSIONS = ("unprotected", "protected")


def colours_of(rgb: Pixels, mask: Pixels) -> Colours:
    """Take the slow colours of a product: uint8 (H, W, 3) and (H, W)."""
    factor = min(1.0, BLURRED_PX / max(mask.shape))
    size = max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor))
    rgb, mask = resize(rgb, size, "bicubic"), resize(np.repeat(mask[..., np.newaxis], 3, 2), size, "bicubic")[..., 0]
    sigma = max(mask.shape) / BLURS
    weight = mask.astype(np.float32) / 255
    within = np.maximum(ndimage.gaussian_filter(weight, sigma), 1e-3)[..., np.newaxis]
    slow = ndimage.gaussian_filter(rgb * weight[..., np.newaxis], (sigma, sigma, 0)) / within
    tensor = torch.from_numpy(slow[mask > 127]).T[None, ..., None].clamp(0, 255) / 255
    lab: Lab = to_lab(tensor)[0, ..., 0].T.numpy()
    return Colours(lab, lab.mean(0))


@dataclass(frozen=True)
class Composed:
    """One painting, composed without protection and with it: uint8 (H, W, 3), and the product of its photo."""

    style: str
    photo: Pixels
    unprotected: Pixels
    protected: Pixels
    product: Product


def composed(
    encoded: bytes, styles: Sequence[str], paint: Paint, working_px: int, costs: Costs, protect: str = Protect.COLOUR
) -> Iterator[Composed]:
    """Paint a photo in each style, and yield it without protection and with one, lettering included."""
    photo = decode(encoded, Limits(2**26, 25_000_000))
    size = working_size(photo.width, photo.height, working_px=working_px, texture_scale=1)
    small, weight = at_working_size(photo, size, white="keep")
    with costs.stage("mask"):
        found = product_mask(photo, size, SEGMENTER)
        weight = painted_area(weight, found)
    look = Look(parse_mix(styles[0]), protect=Protect(protect), lettering=True)
    with costs.stage("edges of the mask, and lettering"):
        product = find_details(photo.rgb, found, look)
    for style in styles:
        with costs.stage("generator"):
            painted = paint(small, weight, style)
        with costs.stage("compose"):
            plain = compose(photo.rgb, small, painted, weight, strength=1)
        with costs.stage("protect"):
            kept = protected(photo.rgb, plain, look, product, strengths_of(look, product))
        with costs.stage("measure"):
            measure(photo.rgb, kept, weight, look.strengths, product)
        yield Composed(style, photo.rgb, plain, kept, product)


def render(path: Path, styles: Sequence[str], paint: Paint, working_px: int, costs: Costs) -> Iterator[Rendered]:
    """Yield a photo's colours in each style, without protection and with that of paintings."""
    for one in composed(path.read_bytes(), styles, paint, working_px, costs):
        pictures = {"photo": one.photo, "unprotected": one.unprotected, "protected": one.protected}
        colours = {name: colours_of(rgb, one.product.mask) for name, rgb in pictures.items()}
        yield Rendered(path.stem, one.style, colours)


Paint = Callable[[Pixels, Pixels, str], Pixels]
"""From a photo at working size, its painted area and a style to the painting."""


def built_in_painter() -> tuple[Paint, list[str]]:
    """Return what paints with the built-in checkpoint, and its styles that protect colour by default."""
    checkpoint = Checkpoint.load(ROOT / "shared" / "checkpoint")
    painter = Painter(torch.device("cpu"), lambda _: checkpoint.trunk)

    def paint(small: Pixels, weight: Pixels, style: str) -> Pixels:
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None]
        area, row = torch.from_numpy(weight)[None, None], row_from_bytes(checkpoint.rows[style])[None]
        return painter.paint(checkpoint.trunk_sha256, pixels, area, row)[0].permute(1, 2, 0).numpy()

    return paint, [style.name for style in checkpoint.styles if not style.monochrome]


def summary(rendered: Sequence[Rendered]) -> dict[str, object]:
    """Return the figures of all renditions, for both versions."""
    kinds = sorted({one.kind for one in rendered})
    return {
        version: {
            "median_delta_e": {
                kind: round(statistics.median(one.delta_e(version) for one in rendered if one.kind == kind), 2)
                for kind in kinds
            },
            "median_hue_error": _median([one.hue_error(version) for one in rendered]),
            "nearest_to_own_photo": round(_nearest(rendered, version), 3),
        }
        for version in VERSIONS
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 2) if known else None


def _nearest(rendered: Sequence[Rendered], version: str) -> float:
    """Return the share of renditions nearer to their own photo's colour than to any other photo's."""
    photos = {one.photo: one.colours["photo"].mean for one in rendered}
    own = 0
    for one in rendered:
        colour = one.colours[version].mean
        own += min(photos, key=lambda name: float(np.linalg.norm(photos[name] - colour))) == one.photo
    return own / len(rendered)


def distances_kept(rendered: Sequence[Rendered], version: str) -> dict[str, float]:
    """Return what is left of the distances between one product's colours: the median, and the least."""
    ratios = []
    for _, of_style in itertools.groupby(sorted(rendered, key=lambda one: one.style), key=lambda one: one.style):
        for first, second in itertools.combinations(of_style, 2):
            was, is_now = (
                float(np.linalg.norm(first.colours[name].mean - second.colours[name].mean))
                for name in ("photo", version)
            )
            ratios.append(is_now / was)
    return {"median": round(statistics.median(ratios), 3), "least": round(min(ratios), 3)}


def run(photos: Sequence[Path], shirts: Sequence[Path], styles: Sequence[str], working_px: int) -> dict[str, object]:
    """Render and measure everything."""
    torch.set_num_threads(1)
    paint, painted_styles = built_in_painter()
    styles, costs = styles or painted_styles, Costs()
    found: dict[str, object] = {"machine": machine(), "working_px": working_px, "styles": list(styles)}
    rendered = [one for path in photos for one in render(path, styles, paint, working_px, costs)]
    found |= {"photos": len(photos), "figures": summary(rendered), "core_seconds": costs.medians}
    if shirts:
        recoloured = [one for path in shirts for one in render(path, styles, paint, working_px, Costs())]
        found["recoloured"] = {version: distances_kept(recoloured, version) for version in VERSIONS}
        found["recoloured_figures"] = summary(recoloured)
    return found


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path, default=sorted((ROOT / "samples" / "photos").glob("*.jpg")))
    parser.add_argument("--shirts", nargs="*", type=Path, default=[], help="one product in several colours")
    parser.add_argument("--styles", nargs="*", default=[], help="all paintings by default")
    parser.add_argument("--working-px", type=int, default=Settings().working_px)
    given = parser.parse_args()
    write_results("protection", run(given.photos, given.shirts, given.styles, given.working_px))


if __name__ == "__main__":
    main()
