"""Limits of what people may ask for, checked where an object is made: for commands, the API and ticks alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import UsageError

MOST_IMAGES = 10**9
MOST_MINUTES = 10**6
MOST_DAYS = 36_500

MOST_BITS = 1000

SHOWN = 40
"""Characters of a refused number that a message repeats."""


def require_between(what: str, value: float, least: float, most: float) -> None:
    """Raise UsageError where a number is outside its limits, infinite or none at all."""
    if not least <= value <= most:
        raise UsageError(f"{what} must be from {least:,} to {most:,}, not {_short(value)}")


def require_above_zero(what: str, value: float, most: float) -> None:
    """Raise UsageError where a number is not above 0, above its limit, infinite or none at all."""
    if not 0 < value <= most:
        raise UsageError(f"{what} must be above 0 and at most {most:,}, not {_short(value)}")


def within_limits(stored: Mapping[str, Any], **most: float) -> dict[str, Any]:
    """Return stored numbers brought within limits that an earlier release did not have: one must not stop a tick."""
    return {name: max(0, min(stored[name], limit)) for name, limit in most.items() if stored.get(name) is not None}


def _short(value: float) -> str:
    if isinstance(value, int) and value.bit_length() > MOST_BITS:  # Python refuses to write more than 4,300 digits
        return f"a number of more than {SHOWN} digits"
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
