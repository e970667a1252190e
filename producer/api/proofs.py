"""Routes for proofs: samples of batches that need approval."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from producer.api.access import Asking, ForCallers
from producer.api.words import MOST
from shared.database import transaction
from shared.errors import NotFound
from shared.limits import MOST_IMAGES, MOST_MINUTES
from shared.proofs import actions, proofs
from shared.proofs.proofs import Proof
from shared.proofs.upload_rules import ProofRules, find_rules
from shared.queue import batches
from shared.queue.estimate import Estimate, measure_rate

router = APIRouter(prefix="/v1", tags=["proofs"], route_class=ForCallers)

ProofId = Annotated[int, Path(ge=1, le=MOST, description="Number of the proof.")]


class ProofOut(BaseModel):
    """Proof. ``sample`` is a batch, whose jobs show the result; ``price`` is that of the whole batch."""

    id: int
    batch: UUID
    name: str
    sample: UUID | None
    why: str
    price: Estimate | None
    state: str
    until: datetime | None
    judged_by: str | None
    made_at: datetime


class Proofs(BaseModel):
    """Waiting proofs, oldest first; ``after`` is the cursor of the next page, if there is one."""

    proofs: list[ProofOut]
    after: int | None


class Rules(BaseModel):
    """Which uploads need approval of a sample: those with more images, with a new look, or both."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    above: int | None = Field(None, ge=0, le=MOST_IMAGES)
    new_looks: bool = False
    go_on_minutes: float | None = Field(
        None, gt=0, le=MOST_MINUTES, description="Continue without approval after this many minutes."
    )


@router.get("/proofs")
def listed(
    asking: Asking,
    after: Annotated[int, Query(ge=0, le=MOST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Proofs:
    """List the batches whose samples need approval, oldest first."""
    with asking.transaction() as connection:
        found = proofs.waiting_proofs(connection, asking.merchant_id, after=after, limit=limit)
    return Proofs(proofs=list(map(_out, found)), after=found[-1].id if len(found) == limit else None)


@router.get("/proofs/{proof}")
def show(asking: Asking, proof: ProofId) -> ProofOut:
    """Show a sample, and what its whole batch costs."""
    with transaction(asking.session.engine) as connection:
        rate = measure_rate(connection)  # that of the whole fleet, so outside the merchant's scope
    with asking.transaction() as connection:
        found = proofs.find_proof(connection, asking.merchant_id, proof)
        sample = batches.get_batch(connection, found.sample_id) if found.sample_id else None
    return _out(replace(found, price=proofs.priced(found, sample, rate, asking.session.settings)))


@router.post("/proofs/{proof}/approve")
def approve(asking: Asking, proof: ProofId) -> ProofOut:
    """Approve a sample, so that its batch runs."""
    session = asking.session
    return _out(actions.approve_proof(session.engine, session.broker, asking.actor, proof).proof)


@router.post("/proofs/{proof}/reject")
def reject(asking: Asking, proof: ProofId) -> ProofOut:
    """Reject a sample and cancel its batch. New looks of a night are not planned again until they change."""
    return _out(actions.reject_proof(asking.session.engine, asking.actor, proof))


@router.get("/proof-rules")
def rules(asking: Asking) -> Rules:
    """Show which uploads need approval of a sample."""
    with asking.transaction() as connection:
        found = find_rules(connection, asking.merchant_id)
    if found is None:
        raise NotFound("there are no rules, so samples are made only on request: PUT rules here")
    return Rules(**asdict(found))


@router.put("/proof-rules")
def replace_rules(asking: Asking, new: Rules) -> Rules:
    """Set which uploads need approval of a sample. Nights have their own rules."""
    actions.set_proof_rules(asking.session.engine, asking.actor, ProofRules(**new.model_dump()))
    return new


@router.delete("/proof-rules", status_code=204)
def remove_rules(asking: Asking) -> None:
    """Require approval only for uploads that request it."""
    actions.remove_proof_rules(asking.session.engine, asking.actor)


def _out(found: Proof) -> ProofOut:
    shown = found.as_json() | {"batch": found.batch_id, "sample": found.sample_id}
    return ProofOut.model_validate({name: shown[name] for name in ProofOut.model_fields})
