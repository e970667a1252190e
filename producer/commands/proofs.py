"""Commands of proofs: which batches wait for somebody to see a sample of them, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from producer.commands.batches import Merchant, configured, warn
from shared.context import open_session
from shared.database import transaction
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.proofs import actions, proofs
from shared.proofs.rules import ProofRules
from shared.queue import batches
from shared.queue.estimate import measure_rate
from shared.terminal import JsonOption, group, note, print_json, print_line

ProofId = Annotated[int, typer.Argument(metavar="PROOF", help="The number of a proof.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    samples = group(app, "proofs", "Samples of batches that are large or have a new look, and wait for approval.")
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
    """List the batches that wait for approval."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = proofs.waiting_proofs(connection, mine)
    if as_json:
        print_json([proof.as_json() for proof in found])
        return
    for proof in found:
        print_line(f"{proof.id}  {proof.name}, since {proof.why}: {price_line(proof.price)}")
    if not found:
        note("no batch waits for approval")


def proofs_show(proof: ProofId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Say what a batch would take and cost, and where its sample is to be seen."""
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
        print_line(f"to see it: atelier download {sample.id} --out DIR --merchant {merchant}")


def proofs_approve(proof: ProofId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Let a batch go on; the looks of a night need no proof any more."""
    with open_session(configured(), lasting=False) as session:
        approved = actions.approve_proof(session.engine, session.broker, operator(merchant), proof)
    warn(approved.warnings)
    _done({"proof": proof, "state": "approved"}, as_json)


def proofs_reject(proof: ProofId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Cancel a batch; the new looks of a night are planned no more until they are changed."""
    with open_session(configured(), lasting=False) as session:
        actions.reject_proof(session.engine, operator(merchant), proof)
    _done({"proof": proof, "state": "rejected"}, as_json)


def proofs_set(
    merchant: Merchant = LOCAL_MERCHANT,
    above: Annotated[int | None, typer.Option(help="Uploads of more images.")] = None,
    new_looks: Annotated[bool, typer.Option("--new-looks", help="Uploads in a look that no batch had yet.")] = False,
    go_on_minutes: Annotated[float | None, typer.Option(help="Let a proof wait so long, then go on without.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which uploads of a merchant are proved first, from now on; nights have rules of their own (schedules set)."""
    rules = ProofRules(above, new_looks, go_on_minutes)
    with open_session(configured(), lasting=False) as session:
        actions.set_proof_rules(session.engine, operator(merchant), rules)
    if as_json:
        print_json(asdict(rules))
    else:
        said = {name.replace("_", " "): value for name, value in asdict(rules).items() if value}
        note("proved first: " + ", ".join(name if value is True else f"{name} {value}" for name, value in said.items()))


def proofs_off(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Prove no more uploads, unless they ask for it (submit --proof)."""
    with open_session(configured(), lasting=False) as session:
        actions.remove_proof_rules(session.engine, operator(merchant))
    if as_json:
        print_json(None)
    else:
        note("uploads are proved only if they ask for it")


def price_line(price: Mapping[str, Any] | None) -> str:
    """Say how many images, and what they take, as far as that is known."""
    if price is None:
        return "it is still being received"
    if price["seconds"] is None:
        return f"{price['images']} images; time and cost are unknown, since no batch was finished yet"
    return f"{price['images']} images, about {price['seconds'] / 60:.1f} minutes, cost {price['cost']:.2f}"


def tell_of_proof(proof: proofs.Proof) -> None:
    """Say that a batch waits, why, and what to do."""
    note(f"a sample of 24 skus comes first, since {proof.why}; all of it: {price_line(proof.price)}")
    note(f"to see, approve or reject it: atelier proofs show {proof.id}")


def _done(document: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        note(", ".join(f"{name} {value}" for name, value in document.items()))
