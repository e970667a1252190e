"""Write the tables in ``docs/`` that come from the code, or from a run of its tests: ``make docs``.

A table is between ``<!-- generated: NAME -->`` and ``<!-- end: NAME -->``; the text around it is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from producer.api.problems import status_of
from shared import errors
from shared.errors import AtelierError, exit_code
from shared.presets import channel_presets
from shared.settings import Settings
from tests.feed_formats import formats_table

DOCS = Path(__file__).resolve().parent
CHAOS = DOCS.parent / "tests" / "chaos" / "results.json"
"""What the last whole run of `make chaos` has found."""

CODES = DOCS.parent / "producer" / "pages" / "error_codes.json"


def settings_table() -> str:
    """Return one line per setting: variable, default, allowed values, meaning."""
    lines = ["| variable | default | values | meaning |", "|---|---|---|---|"]
    schema = Settings.model_json_schema()["properties"]
    for name in Settings.model_fields:
        field = schema[name]
        cells = (f"`ATELIER_{name.upper()}`", _default(field), _values(field), field["description"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:  # the home folder, which depends on the user
        return "`~/.local/share/atelier`"
    return "" if field["default"] in (None, []) else f"`{field['default']}`"


def _values(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    limits = []
    if "minimum" in field:
        limits.append(f"from {field['minimum']:,}")
    if "exclusiveMinimum" in field:
        limits.append(f"above {field['exclusiveMinimum']:,}")
    if "maximum" in field:
        limits.append(f"to {field['maximum']:,.0f}")
    return " ".join(limits)


def errors_table() -> str:
    """Return one line per class of ``shared/errors.py``, below the class that it refines."""
    lines = ["| code | retried | exit | HTTP | meaning |", "|---|---|--:|--:|---|"]
    for depth, error in _tree(AtelierError):
        if error is AtelierError:
            continue  # a bug, which the page describes by hand
        name = f"{'· ' * (depth - 1)}`{error.code}`"
        retried = "yes" if error.retryable else ""
        example = error("")
        meaning = (error.__doc__ or "").partition("\n")[0].replace("``", "`")
        lines.append(f"| {name} | {retried} | {exit_code(example)} | {status_of(example)} | {meaning} |")
    return "\n".join(lines)


def error_codes() -> dict[str, str]:
    """Return what each error code of docs/errors.md means, as plain text, for ``/problems/{code}`` of the API."""
    codes = {}
    for line in page_with_table("errors.md").splitlines():
        if code := re.match(r"\| [· ]*`([a-z_]+)` \|", line):
            meaning = line.rstrip(" |").rpartition(" | ")[2]
            codes[code[1]] = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", meaning).replace("`", "")
    return codes


def presets_table() -> str:
    """Return one line per preset of a channel."""
    lines = ["| preset | sizes | formats | fit | rules | source |", "|---|---|---|---|---|---|"]
    for preset in channel_presets().values():
        rules = [f"{name} {value:,}" for name in _LIMITS if (value := getattr(preset, name)) is not None]
        rules += [name for name in _SWITCHES if getattr(preset, name)]
        fit = preset.fit if preset.fit == "whole" else f"{preset.fit}, fill {preset.fill:g}"
        cells = (
            f"`{preset.name}`",
            ", ".join(preset.sizes),
            ", ".join(preset.formats),
            fit,
            ", ".join(rules),
            f"[page]({preset.source})",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


_LIMITS = ("min_side", "min_long_side", "advised_side", "max_side", "max_megapixels", "max_bytes", "min_fill")
_SWITCHES = ("white_background", "photograph", "no_border", "no_overlay")


def _tree(error: type[AtelierError], depth: int = 0) -> Iterator[tuple[int, type[AtelierError]]]:
    yield depth, error
    for child in error.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child, depth + 1)


def chaos_table() -> str:
    """Return one line per fault of the last whole run of `make chaos`, and how its tests ended."""
    if not CHAOS.exists():
        return "`make chaos` has not been seen to its end as one run yet."
    run = json.loads(CHAOS.read_text())
    lines = [
        "| fault | times | jobs | lost | begun again | median s to go on | longest |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [f"| {' | '.join(str(cell) for cell in row.values())} |" for row in run["tolls"]]
    ended = {how: run[how] for how in ("passed", "failed", "skipped", "not reached")}
    told = f"One run of {run['minutes']} minutes on {run['cores']} cores ({run['machine']}): "
    told += ", ".join(f"{len(tests)} tests {how}" for how, tests in ended.items() if tests) + "."
    for how in ("failed", "skipped", "not reached"):
        if ended[how]:
            told += f" {how.capitalize()}: {', '.join(f'`{test}`' for test in sorted(ended[how]))}."
    return "\n".join([*lines, "", told])


TABLES = {
    "settings.md": ("settings", settings_table),
    "errors.md": ("errors", errors_table),
    "presets.md": ("presets", presets_table),
    "feeds.md": ("formats", formats_table),
    "operations.md": ("chaos", chaos_table),
}
"""Name of each page's table, and the function that makes it."""


def page_with_table(page: str) -> str:
    """Return the text of a page with its table as the code has it now."""
    name, table = TABLES[page]
    begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    before, _, rest = (DOCS / page).read_text().partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{table()}\n{end}{after}"


def main() -> None:
    """Write all generated tables again."""
    for page in TABLES:
        (DOCS / page).write_text(page_with_table(page))
    CODES.write_text(json.dumps(error_codes(), indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
