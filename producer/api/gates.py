"""Routes for a merchant's quality gate."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from producer.api.access import Asking, ForCallers
from shared.errors import NotFound
from shared.quality import actions
from shared.quality.gate import Gate, GateRule, find_gate

router = APIRouter(prefix="/v1", tags=["gate"], route_class=ForCallers)


class Limits(BaseModel):
    """Limits of renditions compared with their photos. At least one is needed; null means no limit."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    content: float | None = Field(
        None, ge=0, le=2, description="Upper limit of 1 − SSIM to the photo; 0 is the photo itself."
    )
    delta_e: float | None = Field(None, ge=0, le=100, description="Upper limit of the mean CIEDE2000 on the product.")
    white: float | None = Field(
        None, ge=0, le=1, description="Lower limit of the share of a white background that stays white."
    )
    delta_e_p95: float | None = Field(
        None, ge=0, le=100, description="Upper limit of the 95th percentile of CIEDE2000 on the product."
    )
    edges: float | None = Field(
        None, ge=0, le=1, description="Lower limit of the agreement of the product's edges with the photo's."
    )
    lettering: float | None = Field(
        None, ge=0, le=1, description="Lower limit of the agreement of lettering with the photo's."
    )
    silhouette: float | None = Field(
        None, ge=0, le=1, description="Upper limit of the share of the product's outline that is lost."
    )
    halo: float | None = Field(
        None, ge=0, le=100, description="Upper limit of the colour difference of a rim around the product."
    )
    mask: float | None = Field(
        None, ge=0, le=1, description="Lower limit of the confidence in the product mask, with the rule hold."
    )
    rule: GateRule = Field(GateRule.HOLD, description="Reduce the strength (blend), or hold for review (hold).")


@router.get("/gate")
def show(asking: Asking) -> Limits:
    """Show the limits."""
    with asking.transaction() as connection:
        found = find_gate(connection, asking.merchant_id)
    if found is None:
        raise NotFound("no gate is set: PUT one here")
    return _out(found)


@router.put("/gate")
def replace(asking: Asking, limits: Limits) -> Limits:
    """Set the limits for batches that begin from now on."""
    gate = Gate(**limits.model_dump())
    actions.set_gate(asking.session.engine, asking.actor, gate)
    return _out(gate)


@router.delete("/gate", status_code=204)
def remove(asking: Asking) -> None:
    """Remove the limits for batches that begin from now on."""
    actions.remove_gate(asking.session.engine, asking.actor)


def _out(gate: Gate) -> Limits:
    return Limits(**asdict(gate))
