"""Commands ``proofs``: show samples of batches that need approval, approve or reject them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from producer.commands.batches import Merchant, configured, warn, with_merchant
from producer.output.amounts import cost_text, duration_text
from shared.context import open_session
from shared.database import transaction
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.proofs import actions, proofs
from shared.proofs.sample import PROOF_IMAGES
from shared.proofs.upload_rules import ProofRules
from shared.queue import batches
from shared.queue.estimate import measure_rate
from shared.terminal import JsonOption, group, note, print_json, print_line

ProofId = Annotated[str, typer.Argument(metavar="PROOF", help="Number of the proof, or id of its batch.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    samples = group(app, "proofs", "Samples that need your approval before their batches run.")
    for name, command in (
        ("list", proofs_list),
        ("show", proofs_show),
        ("approve", proofs_approve),
        ("reject", proofs_reject),
        ("set", proofs_set),
        ("off", proofs_off),
    ):
        samples.command(name)(command)


def proofs_list(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """List the batches whose samples need approval."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = proofs.waiting_proofs(connection, mine)
    if as_json:
        print_json([proof.as_json() for proof in found])
        return
    for proof in found:
        print_line(f"{proof.id}  {proof.batch_id}  {proof.name}, since {proof.why}: {price_line(proof.price)}")
    if not found:
        note("no batch waits for approval")


def proofs_show(proof: ProofId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Show a sample, and what its whole batch costs."""
    with open_session(configured(), lasting=False) as session:
        with transaction(session.engine) as connection:
            rate = measure_rate(connection)
        with scope(session.engine, merchant) as (connection, mine):
            found = proofs.find_proof(connection, mine, proof)
            sample = batches.get_batch(connection, found.sample_id) if found.sample_id else None
        price = proofs.priced(found, sample, rate, session.settings)
    if as_json:
        figures = {name: getattr(sample, name) for name in ("total", "succeeded", "failed")} if sample else None
        print_json(found.as_json() | {"price": price, "sample": figures})
        return
    print_line(f"proof {found.id} of {found.name}, since {found.why}: {found.state}")
    print_line(f"batch {found.batch_id}: {price_line(price)}")
    if sample is not None:
        print_line(f"sample: {sample.succeeded} of {sample.total} done, {sample.failed} failed")
        print_line(f"see it with: atelier download {sample.id} --out DIR --merchant {merchant}")


def proofs_approve(proof: ProofId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Approve a sample, so that its batch runs."""
    with open_session(configured(), lasting=False) as session:
        approved = actions.approve_proof(session.engine, session.broker, operator(merchant), proof)
    warn(approved.warnings)
    _done({"proof": approved.proof.id, "state": "approved"}, as_json)


def proofs_reject(proof: ProofId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Reject a sample and cancel its batch. New looks of a night are not planned again until they change."""
    with open_session(configured(), lasting=False) as session:
        rejected = actions.reject_proof(session.engine, operator(merchant), proof)
    _done({"proof": rejected.id, "state": "rejected"}, as_json)


def proofs_set(
    merchant: Merchant = LOCAL_MERCHANT,
    above: Annotated[int | None, typer.Option(help="Uploads with more images than this.")] = None,
    new_looks: Annotated[
        bool, typer.Option("--new-looks", help="Uploads with a look that no batch has had yet.")
    ] = False,
    go_on_minutes: Annotated[
        float | None, typer.Option(help="Continue without approval after this many minutes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Set which uploads need approval of a sample. Nights have their own rules: see `schedules set`."""
    rules = ProofRules(above, new_looks, go_on_minutes)
    with open_session(configured(), lasting=False) as session:
        actions.set_proof_rules(session.engine, operator(merchant), rules)
    if above is not None and above < PROOF_IMAGES:
        note(f"warning: batches of up to {PROOF_IMAGES} images are styled at once: a sample would be all of them")
    if as_json:
        print_json(asdict(rules))
    else:
        said = {name.replace("_", " "): value for name, value in asdict(rules).items() if value}
        note(
            "need approval of a sample: "
            + ", ".join(name if value is True else f"{name} {value}" for name, value in said.items())
        )


def proofs_off(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Require approval only for uploads that request it with `submit --proof`."""
    with open_session(configured(), lasting=False) as session:
        actions.remove_proof_rules(session.engine, operator(merchant))
    if as_json:
        print_json(None)
    else:
        note("only uploads with --proof need approval of a sample")


def price_line(price: Mapping[str, Any] | None) -> str:
    """Return the number of images with their duration and cost, if known."""
    if price is None:
        return "the upload is still in progress"
    if price["seconds"] is None:
        return f"{price['images']} images; duration and cost are unknown until a batch has finished"
    return f"{price['images']} images, about {duration_text(price['seconds'])}, cost {cost_text(price['cost'])}"


def tell_of_proof(proof: proofs.Proof, merchant: str) -> None:
    """Print why a batch waits, and what to do."""
    note(f"a sample of 24 skus comes first, since {proof.why}; the whole batch: {price_line(proof.price)}")
    note(f"see, approve or reject it: {with_merchant(f'atelier proofs show {proof.id}', merchant)}")


def _done(document: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        note(", ".join(f"{name} {value}" for name, value in document.items()))
