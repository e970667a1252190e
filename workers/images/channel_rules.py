"""Check a finished file by the rules of its preset: what is measured is read from the file's own bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.presets import Preset, PresetFile
from shared.quality.rule_report import RuleReport, RuleResult

Pixels = npt.NDArray[np.uint8]

WHITE_FROM, WHITE_SHARE = 254, 0.99
"""Level from which a pixel of a decoded JPEG counts as pure white, and the share of the border that must be."""

RING = 0.01
"""Depth of the border that is looked at, as a share of the shorter side."""

FLAT, STEP, STEP_SHARE = 2.0, 12.0, 0.9
"""A border is a band whose lines vary by at most FLAT levels, and that ends in a step of STEP levels along nearly
all of a line."""

MOST_BORDER = 0.25
"""Depth in which a border is looked for, as a share of the side."""


@dataclass(frozen=True)
class Facts:
    """What a file cannot say of itself.

    ``styled``  whether a style has changed the photo.
    ``fill``    longer extent of the product as a share of the frame; None where no product is known.
    """

    styled: bool
    fill: float | None


def check(data: bytes, file: PresetFile, facts: Facts) -> RuleReport:
    """Check an encoded file by the rules of its preset."""
    preset = file.preset
    with Image.open(io.BytesIO(data)) as image:
        results = [
            RuleResult("format", file.format, (image.format or "none").lower(), image.format == file.format.upper()),
            *_size(image.size, file),
            *_colour(image),
        ]
        if preset.max_bytes is not None:
            results.append(
                RuleResult("bytes", f"at most {preset.max_bytes:,}", f"{len(data):,}", len(data) <= preset.max_bytes)
            )
        pixels = np.asarray(image.convert("RGB")) if preset.white_background or preset.no_border else None
    return RuleReport((*results, *_content(preset, pixels, facts)))


def _size(size: tuple[int, int], file: PresetFile) -> Iterator[RuleResult]:
    preset, (width, height) = file.preset, size
    found, short, long = f"{width} × {height}", min(size), max(size)
    if file.size.height is None:
        wanted = file.size.width
        yield RuleResult("width", f"at most {wanted}", f"{width}", width <= wanted)
    elif preset.fit != "whole":
        # A side is whole pixels, so a shape is kept to within one of them.
        off = abs(width * file.size.height / file.size.width - height)
        yield RuleResult("shape", f"{file.size.width}:{file.size.height}", found, off <= 1)
    if preset.min_side is not None:
        yield RuleResult("shorter side", f"at least {preset.min_side}", f"{short}", short >= preset.min_side)
    if preset.min_long_side is not None:
        yield RuleResult("longer side", f"at least {preset.min_long_side}", f"{long}", long >= preset.min_long_side)
    if preset.max_side is not None:
        yield RuleResult("longer side", f"at most {preset.max_side}", f"{long}", long <= preset.max_side)
    if preset.advised_side is not None:
        kept = True if short >= preset.advised_side else None
        yield RuleResult("shorter side, advised", f"{preset.advised_side} or more", f"{short}", kept)
    if preset.max_megapixels is not None:
        millions = width * height / 1e6
        most = preset.max_megapixels
        yield RuleResult("megapixels", f"at most {most:g}", f"{millions:.2f}", millions <= most)


def _colour(image: Image.Image) -> Iterator[RuleResult]:
    """An untagged RGB file is sRGB by every channel's and browser's reading."""
    plain = image.mode in ("RGB", "RGBA") and not image.info.get("icc_profile")
    yield RuleResult("colour", "sRGB", "sRGB" if plain else f"{image.mode} with a profile", plain)


def _content(preset: Preset, pixels: Pixels | None, facts: Facts) -> Iterator[RuleResult]:
    if preset.min_fill is not None:
        found = "no product found" if facts.fill is None else f"{facts.fill:.0%}"
        kept = facts.fill is not None and facts.fill >= preset.min_fill
        yield RuleResult("fill", f"at least {preset.min_fill:.0%}", found, kept)
    if preset.white_background and pixels is not None:
        share = white_border(pixels)
        yield RuleResult("white background", "pure white border", f"{share:.1%} of it", share >= WHITE_SHARE)
    if preset.photograph:
        other = f": use {preset.otherwise}" if preset.otherwise else ""
        yield RuleResult(
            "photograph", "a photograph", f"a styled picture{other}" if facts.styled else "the photo", not facts.styled
        )
    if preset.no_border and pixels is not None:
        depth = border_depth(pixels)
        yield RuleResult("border", "none", f"{depth} px" if depth else "none", depth == 0)
    if preset.no_overlay:
        yield RuleResult("overlay", "no text or logo laid over the picture", "not measured", None)


def white_border(pixels: Pixels) -> float:
    """Return the share of the border's pixels that are pure white, of uint8 (H, W, 3)."""
    depth = max(1, round(RING * min(pixels.shape[:2])))
    white = pixels.min(axis=2) >= WHITE_FROM
    inner = white[depth:-depth, depth:-depth]
    ring = white.size - inner.size
    return float((white.sum() - inner.sum()) / ring) if ring else float(white.mean())


def border_depth(pixels: Pixels) -> int:
    """Return the depth in pixels of a frame or of bars around a picture, uint8 (H, W, 3); 0 if there are none.

    A flat band at two opposite sides at least, which ends in a straight step. A product on a flat ground has none:
    its outline is nowhere straight along the whole side.
    """
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    for field in (grey, grey.T):
        depths = [_band(field), _band(field[::-1])]
        if all(depths):
            return min(depths)
    return 0


def _band(grey: npt.NDArray[np.float32]) -> int:
    """Return how many rows at the top are a flat band of one level that ends in a step; 0 if there is none."""
    most = int(MOST_BORDER * len(grey))
    rows = grey[: most + 2]
    flat = (rows.std(axis=1) <= FLAT) & (abs(rows.mean(axis=1) - rows[0].mean()) <= FLAT)
    depth = int(np.argmin(flat)) if not flat.all() else 0
    if depth == 0 or depth > most:
        return 0
    inside = grey[min(depth + 1, len(grey) - 1)]  # a row further in, as compression blurs the step
    step = abs(inside - rows[0].mean()) > STEP
    return depth if step.mean() >= STEP_SHARE else 0
