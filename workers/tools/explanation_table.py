"""An explanation of a rendition as tables of text."""

from __future__ import annotations

from typing import Any

from workers.tools.evaluation_table import aligned


def explanation_table(found: dict[str, Any]) -> list[str]:
    """Return the lines: what changed, then how far the content moved and how near the style came, by layer."""
    lines = [["what changed", "of the picture", "CIEDE2000", "95 % below", "lightness", "chroma"]]
    for name, part in found["change"].items():
        tones = (f"{part[tone][0]:.1f} → {part[tone][1]:.1f}" for tone in ("lightness", "chroma"))
        lines.append([name, f"{part['share']:.0%}", f"{part['mean']:.1f}", f"{part['p95']:.1f}", *tones])
    tables = aligned(lines)
    if content := found.get("content"):
        lines = [["content, whole picture", "sees", "moved by (0 to 2)"]]
        lines += [[layer, f"{found['view_px'][layer]} px", f"{value:.3f}"] for layer, value in content.items()]
        lines.append(["pdist", "", f"{sum(content.values()) / len(content):.3f}"])
        tables += ["", *aligned(lines)]
    if style := found.get("style"):
        before, after = style["photo"], style["rendition"]
        lines = [["style, whole picture", "sees", "error of the photo", "of the rendition"]]
        lines += [
            [layer, f"{found['view_px'][layer]} px", f"{before[layer]:.3f}", f"{after[layer]:.3f}"] for layer in after
        ]
        lines.append(["styleErr", "", *(f"{sum(one.values()) / len(one):.3f}" for one in (before, after))])
        tables += ["", *aligned(lines)]
    return tables
