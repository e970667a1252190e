"""Routes for presets: what files each channel takes, and a merchant's own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel

from producer.api.access import Asking, ForCallers
from producer.preset_file import preset_from_rules
from shared.merchants import actions
from shared.merchants.presets import known_presets
from shared.presets import EXTENSIONS, Preset, preset_row

router = APIRouter(prefix="/v1", tags=["presets"], route_class=ForCallers)


class PresetOut(BaseModel, extra="allow"):
    """A preset, with those of its rules that are not as by default; see docs/presets.md."""

    name: str
    title: str
    sizes: list[str]
    formats: list[str]


@router.get("/presets")
def listed(asking: Asking) -> list[PresetOut]:
    """List the presets that the merchant may name: plain formats, those of channels, and own ones."""
    with asking.transaction() as connection:
        known = known_presets(connection, asking.merchant_id)
    presets: list[Preset | str] = [*EXTENSIONS, *known.values()]
    return [PresetOut.model_validate(preset_row(preset)) for preset in presets]


@router.put("/presets/{name}")
def put(
    asking: Asking,
    name: Annotated[str, Path(max_length=100)],
    rules: Annotated[dict[str, Any], Body(description='Rules, as {"sizes": ["1200x1200"], "formats": ["jpeg"]}.')],
) -> PresetOut:
    """Add a preset of the merchant's own, or a new version of one, for batches that begin from now on."""
    preset = preset_from_rules(name, rules)
    actions.add_preset(asking.session.engine, asking.actor, preset)
    return PresetOut.model_validate(preset_row(preset))
