"""Actions on proofs: approve or reject a sample, and set which uploads need approval of one."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine

from shared.broker import Broker
from shared.merchants import audit
from shared.merchants.actors import Actor, confined, unconfined
from shared.proofs import proofs, upload_rules
from shared.proofs.proofs import Proof
from shared.proofs.upload_rules import ProofRules
from shared.queue.dispatch import dispatch_or_warn


@dataclass(frozen=True)
class Approved:
    """Approved proof, and warnings for the caller."""

    proof: Proof
    warnings: tuple[str, ...] = ()


def approve_proof(engine: Engine, broker: Broker, actor: Actor, number: int | str) -> Approved:
    """Approve the sample of a batch, given by the proof's number or the batch's id; let it run, and dispatch.

    Raises NotFound, or Conflict if it is not waiting for approval.
    """
    with confined(engine, actor) as (connection, merchant):
        found = proofs.find_proof(connection, merchant, number)
        proofs.approve(connection, found, actor.name)
        approved = proofs.find_proof(connection, merchant, found.id)
    return Approved(approved, dispatch_or_warn(engine, broker))


def reject_proof(engine: Engine, actor: Actor, number: int | str) -> Proof:
    """Reject the sample of a batch, given by the proof's number or the batch's id, and cancel the batch.

    Raises NotFound, or Conflict if it is not waiting for approval.
    """
    with confined(engine, actor) as (connection, merchant):
        found = proofs.find_proof(connection, merchant, number)
        proofs.reject(connection, found, actor.name)
        return proofs.find_proof(connection, merchant, found.id)


def set_proof_rules(engine: Engine, actor: Actor, new: ProofRules) -> None:
    """Set which uploads of a merchant need approval of a sample, from now on."""
    with unconfined(engine, actor) as (connection, merchant):
        _change(connection, actor, merchant, new)


def remove_proof_rules(engine: Engine, actor: Actor) -> None:
    """Require approval only for uploads that request it."""
    with unconfined(engine, actor) as (connection, merchant):
        _change(connection, actor, merchant, None)


def _change(connection: Connection, actor: Actor, merchant: int, new: ProofRules | None) -> None:
    upload_rules.set_rules(connection, merchant, new)
    details = {"rules": None if new is None else asdict(new)}
    audit.record(connection, actor.name, "proofs off" if new is None else "proofs set", merchant, details)
