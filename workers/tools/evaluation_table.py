"""Format the figures of an evaluation as tables of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = {
    "covariance_error": ("covErr ↓", ".3f"),
    "stroke_error": ("c41 ↓", ".3f"),
    "edge_ssim": ("edge SSIM ↑", ".3f"),
    "edge_structure": ("edge str. ↑", ".3f"),
    "ssim": ("SSIM ↑", ".3f"),
    "pdist": ("pdist ↓", ".3f"),
    "style_error": ("styleErr ↓", ".3f"),
    "moments": ("mean/std ↓", ".2f"),
    "colour_drift": ("ΔE", ".1f"),
    "white_kept": ("white ↑", ".3f"),
    "grid": ("grid dB", ".1f"),
    "frame": ("frame", ".1f"),
    "blobs": ("blobs ‰", ".2f"),
    "lattice": ("lattice ↓", ".2f"),
    "ringing": ("ringing ↓", ".1f"),
    "hue_kept": ("hue ↑", ".2f"),
    "lpips": ("LPIPS ↓", ".3f"),
    "agreement": ("agree ↑", ".2f"),
    "combined": ("combined ↓", ".2f"),
}
ROBUSTNESS_COLUMNS = {
    "noise": ("noise ×", ".2f"),
    "jpeg_75": ("JPEG 75 ×", ".2f"),
    "jpeg_50": ("JPEG 50 ×", ".2f"),
    "webp_75": ("WebP 75 ×", ".2f"),
    "shift_1": ("shift 1 px", ".3f"),
    "shift_2": ("2 px", ".3f"),
    "shift_3": ("3 px", ".3f"),
    "shift_4": ("4 px", ".3f"),
}
OVERALL = "all"

Columns = Mapping[str, tuple[str, str]]


def evaluation_table(findings: dict[str, Any]) -> list[str]:
    """Return one checkpoint's table: a line for each style and one for all renditions together."""
    lines = [["style", *(heading for heading, _ in COLUMNS.values()), "meets goal"]]
    for figures in findings["styles"]:
        lines.append([figures["style"], *_values(figures, ""), "yes" if figures["meets_goal"] else "no"])
    met = sum(figures["meets_goal"] for figures in findings["styles"])
    lines.append([OVERALL, *_values(findings["overall"], ""), f"{met} of {len(findings['styles'])}"])
    return aligned(lines)


def robustness_table(findings: dict[str, Any]) -> list[str]:
    """Return, for each style, how much small changes of the photo are amplified, and the effect of shifts."""
    robustness = findings["robustness"]
    lines = [["style", *(heading for heading, _ in ROBUSTNESS_COLUMNS.values())]]
    for figures in [*robustness["styles"], robustness["overall"] | {"style": OVERALL}]:
        lines.append([figures["style"], *_values(figures, "", ROBUSTNESS_COLUMNS)])
    return aligned(lines)


def comparison_table(checkpoints: Sequence[dict[str, Any]]) -> list[str]:
    """Return the overall figures of several checkpoints, then the differences from the first."""
    lines = [["checkpoint", *(heading for heading, _ in COLUMNS.values())]]
    lines += [[checkpoint["checkpoint"], *_values(checkpoint["overall"], "")] for checkpoint in checkpoints]
    first = checkpoints[0]["overall"]
    for other in checkpoints[1:]:
        overall = other["overall"]
        change = {
            name: None if first.get(name) is None or overall.get(name) is None else overall[name] - first[name]
            for name in COLUMNS
        }
        lines.append([f"{other['checkpoint']} − first", *_values(change, "+")])
    return aligned(lines)


def _values(figures: dict[str, Any], sign: str, columns: Columns = COLUMNS) -> list[str]:
    """Format the figures; a dash stands for one that does not apply, or that an older evaluation did not have."""
    return [_value(figures.get(name), sign + spec) for name, (_, spec) in columns.items()]


def _value(figure: float | None, spec: str) -> str:
    return "–" if figure is None else format(figure, spec)


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Pad the cells: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
