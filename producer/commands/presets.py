"""Commands ``presets``: what files each channel takes, and a merchant's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from producer.commands.batches import Merchant, configured
from producer.preset_file import read_preset
from shared.context import open_session
from shared.errors import NotFound
from shared.merchants import actions
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.presets import own_presets
from shared.merchants.scope import scope
from shared.presets import EXTENSIONS, Preset, channel_presets, preset_row
from shared.terminal import JsonOption, group, note, print_json, print_line

Name = Annotated[str, typer.Argument(help="Name of the preset, as shopify.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    presets = group(app, "presets", "What files each channel takes, by which rules; and your own.")
    presets.command("list")(presets_list)
    presets.command("show")(presets_show)
    presets.command("add")(presets_add)


def presets_list(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """List the presets that a merchant may name."""
    rows = [preset_row(preset) for preset in EXTENSIONS] + [preset_row(one) for one in _known(merchant).values()]
    if as_json:
        print_json(rows)
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print_line(f"{row['name']:<{width}}  {', '.join(row['sizes'])} {'/'.join(row['formats'])}  {row['title']}")


def presets_show(name: Name, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Show a preset's rules, and the page of its channel that they are from."""
    known = _known(merchant)
    if name not in known and name not in EXTENSIONS:
        raise NotFound(f"no preset {name!r}: `atelier presets list` lists them")
    row = preset_row(known.get(name, name))
    if as_json:
        print_json(row)
        return
    width = max(map(len, row))
    for field, value in row.items():
        print_line(f"{field:<{width}}  {_text(value)}")


def presets_add(
    name: Name,
    file: Annotated[
        Path, typer.Option("--file", help="JSON file of the rules, as `atelier presets show NAME --json`.")
    ],
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Add a preset of a merchant's own, or a new version of one, for batches that begin from now on."""
    preset = read_preset(name, file)
    with open_session(configured(), lasting=False) as session:
        is_new = actions.add_preset(session.engine, operator(merchant), preset)
    if as_json:
        print_json(preset_row(preset) | {"new": is_new})
    else:
        note(f"{preset.name}: {'a new version' if is_new else 'these rules are known; they are current again'}")
        print_line(preset.sha256)


def _known(merchant: str) -> dict[str, Preset]:
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        return {**channel_presets(), **own_presets(connection, mine)}


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
