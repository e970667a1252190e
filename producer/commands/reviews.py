"""Commands ``gate`` and ``reviews``: limits on renditions, and reviews of those that exceed them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from producer.commands.batches import BatchId, Merchant, configured
from shared.catalog.actions import approve_review, reject_review
from shared.context import open_session
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.quality import actions, reviews
from shared.quality.gate import Gate, GateRule, find_gate
from shared.quality.reviews import ReviewState
from shared.queue import batches
from shared.terminal import JsonOption, group, note, print_json, print_line

Ordinal = Annotated[int, typer.Argument(min=0, help="Number of the image in its batch.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    gates = group(app, "gate", "Quality limits; a rendition beyond them is blended back or held for review.")
    gates.command("set")(gate_set)
    gates.command("show")(gate_show)
    gates.command("off")(gate_off)
    held = group(app, "reviews", "Renditions that are held for review.")
    held.command("list")(reviews_list)
    held.command("approve")(reviews_approve)
    held.command("reject")(reviews_reject)


def gate_set(
    merchant: Merchant = LOCAL_MERCHANT,
    content: Annotated[
        float | None, typer.Option(help="Upper limit of 1 − SSIM to the photo; 0 is the photo itself.")
    ] = None,
    delta_e: Annotated[float | None, typer.Option(help="Upper limit of the mean CIEDE2000 on the product.")] = None,
    white: Annotated[
        float | None, typer.Option(help="Lower limit of the share of a white background that stays white.")
    ] = None,
    delta_e_p95: Annotated[
        float | None, typer.Option(help="Upper limit of the 95th percentile of CIEDE2000 on the product.")
    ] = None,
    edges: Annotated[
        float | None, typer.Option(help="Lower limit of the agreement of the product's edges with the photo's.")
    ] = None,
    lettering: Annotated[
        float | None, typer.Option(help="Lower limit of the agreement of lettering with the photo's.")
    ] = None,
    silhouette: Annotated[
        float | None, typer.Option(help="Upper limit of the share of the product's outline that is lost.")
    ] = None,
    halo: Annotated[
        float | None, typer.Option(help="Upper limit of the colour difference of a rim around the product.")
    ] = None,
    mask: Annotated[
        float | None, typer.Option(help="Lower limit of the confidence in the product mask, with --rule hold.")
    ] = None,
    rule: Annotated[
        GateRule, typer.Option(help="Reduce the strength (blend), or hold for review (hold).")
    ] = GateRule.HOLD,
    as_json: JsonOption = False,
) -> None:
    """Set the limits for batches that begin from now on."""
    gate = Gate(content, delta_e, white, rule, delta_e_p95, edges, lettering, silhouette, halo, mask)
    with open_session(configured(), lasting=False) as session:
        actions.set_gate(session.engine, operator(merchant), gate)
    _show(gate, as_json)


def gate_off(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Remove the limits for batches that begin from now on."""
    with open_session(configured(), lasting=False) as session:
        actions.remove_gate(session.engine, operator(merchant))
    _show(None, as_json)


def gate_show(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Show the limits."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        gate = find_gate(connection, mine)
    _show(gate, as_json)


def reviews_list(
    batch: Annotated[str | None, typer.Argument(help="Only renditions of this batch.")] = None,
    merchant: Merchant = LOCAL_MERCHANT,
    state: Annotated[ReviewState, typer.Option(help="State of the reviews.")] = ReviewState.WAITING,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Largest number of renditions.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List held renditions, oldest first, with their figures."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        batch_id = batches.find_batch(connection, mine, batch).id if batch is not None else None
        found = reviews.list_reviews(connection, mine, state, batch_id=batch_id, limit=limit)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        figures = ", ".join(f"{name} {value:g}" for name, value in (one.quality or {}).items())
        print_line(f"{one.batch_id}  {one.ordinal}  {one.sku}  {figures}  {one.reason or ''}")
    note(f"{len(found)} {state}")


def reviews_approve(
    batch: BatchId, ordinal: Ordinal, merchant: Merchant = LOCAL_MERCHANT, reason: Reason = "",
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Approve a rendition. If its night was published, it is shown at once."""
    with open_session(configured(), lasting=False) as session:
        shown = approve_review(session.engine, operator(merchant), batch, ordinal, reason)
    if as_json:
        print_json({"state": "approved", "shown": int(shown)})
    else:
        print_line("approved" + (", and shown" if shown else ""))


def reviews_reject(
    batch: BatchId, ordinal: Ordinal, merchant: Merchant = LOCAL_MERCHANT, reason: Reason = "",
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Reject a rendition. The catalogue keeps showing the previous one."""
    with open_session(configured(), lasting=False) as session:
        reject_review(session.engine, operator(merchant), batch, ordinal, reason)
    if as_json:
        print_json({"state": "rejected"})
    else:
        print_line("rejected")


def _show(gate: Gate | None, as_json: bool) -> None:
    if as_json:
        print_json(None if gate is None else asdict(gate))
    elif gate is None:
        print_line("no gate")
    else:
        limits = [f"{name} {value:g}" for name, value in gate.limits.items()]
        print_line(f"{', '.join(limits)}: {gate.rule}")
