"""A merchant's own presets: every version is kept under its hash, and the newest of a name is current."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, text

from shared.errors import Conflict, UsageError
from shared.presets import EXTENSIONS, Preset, channel_presets
from shared.suggestions import did_you_mean

MOST_OWN = 200
"""Versions of presets that a merchant may keep."""

CURRENT = """
SELECT DISTINCT ON (name) name, rules FROM presets WHERE merchant_id = :merchant ORDER BY name, chosen_at DESC, id DESC
"""


def own_presets(connection: Connection, merchant: int) -> dict[str, Preset]:
    """Return the current version of each of a merchant's own presets, by name."""
    rows = connection.execute(text(CURRENT), {"merchant": merchant})
    return {row.name: Preset.from_json(row.rules) for row in rows}


def known_presets(connection: Connection, merchant: int) -> dict[str, Preset]:
    """Return the presets that a merchant may name besides the plain formats: the channels' and own ones."""
    return {**channel_presets(), **own_presets(connection, merchant)}


def resolve_presets(connection: Connection, merchant: int, names: Collection[str]) -> Mapping[str, Preset]:
    """Return the named presets that are no plain formats, as they are now. Raises UsageError for an unknown one."""
    wanted = [name for name in names if name not in EXTENSIONS]
    if not wanted:
        return {}
    known = known_presets(connection, merchant)
    for name in wanted:
        if name not in known:
            choices = ", ".join((*EXTENSIONS, *sorted(known)))
            meant = did_you_mean(name, (*EXTENSIONS, *known))
            raise UsageError(f"preset {name!r} is unknown{meant}: choose among {choices}", code="unknown_preset")
    return {name: known[name] for name in wanted}


def pin_presets(
    connection: Connection, merchant: int, names: Collection[str], *, styled: bool = True
) -> tuple[tuple[str, ...], Mapping[str, Preset]]:
    """Return the presets that a new batch has, and their rules.

    Where the batch is ``styled``, those that take only photographs bring the preset with them that takes the others.
    Raises UsageError for an unknown name.
    """
    rules = dict(resolve_presets(connection, merchant, names))
    pinned = list(names)
    for name in pinned:  # what is appended is followed, too
        other = rules[name].otherwise if name in rules else None
        if styled and other is not None and other not in pinned:
            pinned.append(other)
            rules |= resolve_presets(connection, merchant, [other])
    return tuple(pinned), rules


def add_preset(connection: Connection, merchant: int, preset: Preset) -> bool:
    """Make a preset the merchant's current one of its name; return whether its rules are new.

    An earlier version becomes current again if its rules are added again. Raises Conflict for a name of a channel, or
    when there are too many.
    """
    if preset.name in channel_presets() or preset.name in EXTENSIONS:
        raise Conflict(f"{preset.name!r} is a preset of Atelier: choose another name", code="preset_taken")
    if preset.otherwise is not None:
        resolve_presets(connection, merchant, [preset.otherwise])
    values = {"merchant": merchant, "name": preset.name, "sha256": preset.sha256, "rules": json.dumps(preset.to_json())}
    count = connection.execute(text("SELECT count(*) FROM presets WHERE merchant_id = :merchant"), values).scalar_one()
    if count >= MOST_OWN and not _is_kept(connection, values):
        raise Conflict(
            f"the merchant has {count} versions of presets, and may have {MOST_OWN}", code="too_many_presets"
        )
    return bool(
        connection.execute(
            text("""
            INSERT INTO presets (merchant_id, name, sha256, rules) VALUES (:merchant, :name, :sha256, :rules)
            ON CONFLICT (merchant_id, name, sha256) DO UPDATE SET chosen_at = clock_timestamp()
            RETURNING xmax = 0
            """),
            values,
        ).scalar_one()
    )


def _is_kept(connection: Connection, version: Mapping[str, object]) -> bool:
    """Return whether a merchant has this version of a preset already."""
    found = connection.execute(
        text("SELECT FROM presets WHERE merchant_id = :merchant AND name = :name AND sha256 = :sha256"), version
    )
    return found.one_or_none() is not None
