"""Proofs over HTTP: batches that wait for somebody to see a sample of them, and the verdict."""

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
from shared.proofs import actions, proofs
from shared.proofs.proofs import Proof
from shared.proofs.rules import ProofRules, find_rules
from shared.queue import batches
from shared.queue.estimate import Estimate, measure_rate

router = APIRouter(prefix="/v1", tags=["proofs"], route_class=ForCallers)

ProofId = Annotated[int, Path(ge=1, le=MOST, description="The number of a proof.")]


class ProofOut(BaseModel):
    """A proof. ``sample`` is a batch, too: its jobs are what is to be seen; ``price`` is that of the batch in full."""

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
    """Proofs that wait, oldest first; ``after`` is the cursor of the next page, if there is one."""

    proofs: list[ProofOut]
    after: int | None


class Rules(BaseModel):
    """Which uploads are proved first: of more images, in a look that no batch had yet, or both."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    above: int | None = Field(None, ge=0, le=10**9)
    new_looks: bool = False
    go_on_minutes: float | None = Field(None, gt=0, le=10**6, description="So long a proof waits for somebody.")


@router.get("/proofs")
def listed(
    asking: Asking,
    after: Annotated[int, Query(ge=0, le=MOST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Proofs:
    """List the batches that wait for approval, oldest first."""
    with asking.transaction() as connection:
        found = proofs.waiting_proofs(connection, asking.merchant_id, after=after, limit=limit)
    return Proofs(proofs=list(map(_out, found)), after=found[-1].id if len(found) == limit else None)


@router.get("/proofs/{proof}")
def show(asking: Asking, proof: ProofId) -> ProofOut:
    """Say what a batch would take and cost, and which batch is its sample."""
    with transaction(asking.session.engine) as connection:
        rate = measure_rate(connection)  # the fleet's, so not within a merchant's rows
    with asking.transaction() as connection:
        found = proofs.find_proof(connection, asking.merchant_id, proof)
        sample = batches.get_batch(connection, found.sample_id) if found.sample_id else None
    return _out(replace(found, price=proofs.priced(found, sample, rate, asking.session.settings)))


@router.post("/proofs/{proof}/approve")
def approve(asking: Asking, proof: ProofId) -> ProofOut:
    """Let a batch go on; the looks of a night need no proof any more."""
    session = asking.session
    return _out(actions.approve_proof(session.engine, session.broker, asking.actor, proof).proof)


@router.post("/proofs/{proof}/reject")
def reject(asking: Asking, proof: ProofId) -> ProofOut:
    """Cancel a batch; the new looks of a night are planned no more until they are changed."""
    return _out(actions.reject_proof(asking.session.engine, asking.actor, proof))


@router.get("/proof-rules")
def rules(asking: Asking) -> Rules:
    """Show which uploads are proved first."""
    with asking.transaction() as connection:
        found = find_rules(connection, asking.merchant_id)
    if found is None:
        raise NotFound("uploads are proved only if they ask for it: PUT rules here")
    return Rules(**asdict(found))


@router.put("/proof-rules")
def replace_rules(asking: Asking, new: Rules) -> Rules:
    """Say which uploads are proved first, from now on; nights have rules of their own."""
    actions.set_proof_rules(asking.session.engine, asking.actor, ProofRules(**new.model_dump()))
    return new


@router.delete("/proof-rules", status_code=204)
def remove_rules(asking: Asking) -> None:
    """Prove no more uploads, unless they ask for it."""
    actions.remove_proof_rules(asking.session.engine, asking.actor)


def _out(found: Proof) -> ProofOut:
    shown = found.as_json() | {"batch": found.batch_id, "sample": found.sample_id}
    return ProofOut.model_validate({name: shown[name] for name in ProofOut.model_fields})
