"""Write durations and costs for people: never a zero for what is not nothing."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Return seconds as text: ``less than a second``, ``40 seconds``, ``12 minutes``, ``3.5 hours``."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def cost_text(cost: float) -> str:
    """Return a cost with two decimals, or ``less than 0.01``; without prices in the settings, what to set."""
    if cost <= 0:
        return "unknown without ATELIER_GPU_HOUR_PRICE or ATELIER_IMAGE_PRICE"
    return f"{cost:.2f}" if cost >= 0.005 else "less than 0.01"
