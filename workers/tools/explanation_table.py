"""Format an explanation of a rendition as tables of text."""

from __future__ import annotations

from typing import Any

from workers.tools.evaluation_table import aligned


def explanation_table(explanation: dict[str, Any]) -> list[str]:
    """Return the lines: what changed, then by layer how far the content moved and how near the style came."""
    lines = [["what changed", "of the picture", "CIEDE2000", "95 % below", "lightness", "chroma"]]
    for name, part in explanation["change"].items():
        tones = (f"{part[tone][0]:.1f} → {part[tone][1]:.1f}" for tone in ("lightness", "chroma"))
        lines.append([name, f"{part['share']:.0%}", f"{part['mean']:.1f}", f"{part['p95']:.1f}", *tones])
    tables = aligned(lines)
    if content := explanation.get("content"):
        lines = [["content, whole picture", "sees", "moved by (0 to 2)"]]
        lines += [[layer, f"{explanation['view_px'][layer]} px", f"{value:.3f}"] for layer, value in content.items()]
        lines.append(["pdist", "", f"{sum(content.values()) / len(content):.3f}"])
        tables += ["", *aligned(lines)]
    if style := explanation.get("style"):
        before, after = style["photo"], style["rendition"]
        lines = [["style, whole picture", "sees", "error of the photo", "of the rendition"]]
        lines += [
            [layer, f"{explanation['view_px'][layer]} px", f"{before[layer]:.3f}", f"{after[layer]:.3f}"]
            for layer in after
        ]
        lines.append(["styleErr", "", *(f"{sum(errors.values()) / len(errors):.3f}" for errors in (before, after))])
        tables += ["", *aligned(lines)]
    return tables
