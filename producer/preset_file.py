"""Read a merchant's own preset from a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import UsageError
from shared.presets import Preset

MOST_BYTES = 64 * 1024


def read_preset(name: str, file: Path) -> Preset:
    """Read the rules of a preset; ``name`` is the one it gets. Raises UsageError, which says what is wrong."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", code="bad_preset") from error
    if len(data) > MOST_BYTES:
        raise UsageError(f"{file} is too large for a preset: it has at most {MOST_BYTES:,} bytes", code="bad_preset")
    return preset_from_json(name, data, str(file))


def preset_from_json(name: str, data: bytes, where: str) -> Preset:
    """Read the rules of a preset from JSON. Raises UsageError, which begins with ``where``."""
    try:
        rules = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not JSON: {error}", code="bad_preset") from error
    if not isinstance(rules, dict):
        raise UsageError(f'{where} must be one JSON object, as {{"sizes": ["1200x1200"]}}', code="bad_preset")
    return preset_from_rules(name, rules)


def preset_from_rules(name: str, rules: Mapping[str, Any]) -> Preset:
    """Build a preset of plain data; ``name`` is the one it gets. Raises UsageError.

    What is null is as by default. The hash that lists show is left out, so that what they print can be sent back.
    """
    given = {field: value for field, value in rules.items() if value is not None and field != "sha256"}
    return Preset.from_json(given | {"name": name})


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
