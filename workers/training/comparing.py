"""End a training run: measure its candidate against the champion, and promote it if the run's rule allows it.

verdict (recorded once, on the run) → rule → end of the run

A run whose trainer dies in between stays ``comparing``, and another trainer continues. It measures again if there
is no verdict yet, and never promotes twice. A candidate that cannot be measured for lack of photos or pictures stays
a candidate, and the run says why.
"""

from __future__ import annotations

import math
import time

import structlog
from sqlalchemy import Connection

from shared.database import transaction
from shared.errors import AtelierError, LeaseLost, Unavailable
from shared.merchants import audit
from shared.models.promotion.history import history
from shared.models.promotion.promotions import promote_by_rule, promote_command
from shared.models.promotion.rules import BY_RULE, Decision, PromotionPolicy, Rule
from shared.models.promotion.verdicts import StoredVerdict, add_verdict, verdict_of
from shared.models.training import leases
from shared.models.training.photos import all_agree
from shared.models.training.runs import TrainingRun
from workers.training.context import SliceOver, TrainerContext
from workers.training.features import FeaturesUnavailable
from workers.training.preparation import features
from workers.training.verdict_photos import material_of
from workers.training.verdict_run import load_pair, measure_pair, put_sheet

RENEW_SECONDS = 1.0

NOT_COMPARED = "not_compared"
"""Code of a finished run whose candidate has no verdict."""

log = structlog.get_logger()


def compare_candidate(context: TrainerContext, run: TrainingRun) -> None:
    """Compare the candidate of a run, apply the run's rule, and end the run.

    Raises SliceOver, LeaseLost or Unavailable; then a trainer compares again.
    """
    try:
        stored = _verdict(context, run)
    except (LeaseLost, Unavailable) as error:
        if not isinstance(error, FeaturesUnavailable):
            raise
        _finish(context, run, f"it has no verdict: {error}", NOT_COMPARED)
        return
    except AtelierError as error:
        _finish(context, run, f"it has no verdict: {error}", NOT_COMPARED)
        return
    decision = _decision(context, run, stored)
    log.info("candidate_compared", run=str(run.id), verdict=stored.id, **decision.__dict__)
    if decision.promote:
        _finish(context, run, decision.reason)
    else:
        command = promote_command(stored.candidate_id, stored.verdict.missing)
        _finish(context, run, f"it waits for an admin, since {decision.reason}: {command}")


def _verdict(context: TrainerContext, run: TrainingRun) -> StoredVerdict:
    """Return the verdict on a run's candidate; measure it unless the run has one."""
    if run.verdict_id is not None:
        with transaction(context.engine) as connection:
            return verdict_of(connection, run.verdict_id)
    assert run.candidate_id is not None
    pace = _Pace(context, run)
    pair = load_pair(context.engine, context.store, run.candidate_id)
    vgg = features(context)
    material = material_of(context, run, pair, pace.report)
    findings = measure_pair(pair, material, vgg, pace.report)
    sheet, actor = put_sheet(context.store, findings, material.merchants), f"training run {run.id}"
    with transaction(context.engine) as connection:
        if not all_agree(connection, material.merchants):
            raise SliceOver  # a merchant has just withdrawn consent
        stored = add_verdict(connection, pair.ids, findings.figures, sheet, actor)
        leases.record_verdict(connection, run, stored.id)
        audit.record(connection, actor, "run compared", None, {"verdict": stored.id, "versions": pair.ids})
    return stored


def _decision(context: TrainerContext, run: TrainingRun, stored: StoredVerdict) -> Decision:
    """Apply the rule, unless the candidate was decided on already. Raises LeaseLost if the run is over.

    The lease is renewed before the files are read, and again in the promoting transaction, which locks the run's row.
    """

    def renew_lease(connection: Connection) -> None:
        leases.progress(connection, run, context.settings.lease_seconds, run.step)

    with transaction(context.engine) as connection:
        renew_lease(connection)
        known = _decided(connection, stored)
    if known is not None:
        return known
    policy = PromotionPolicy(
        Rule.parse(run.rule), BY_RULE, f"training run {run.id}, ", run.canary_share or 0.0, renew_lease
    )
    return promote_by_rule(context.engine, context.store, stored, policy)


def _decided(connection: Connection, stored: StoredVerdict) -> Decision | None:
    """Return what happened to a candidate since its verdict, or None."""
    since = [entry for entry in history(connection, stored.candidate_id) if entry.at >= stored.made_at]
    return Decision(True, f"{since[-1].kind} by {since[-1].who}: {since[-1].reason}") if since else None


def _finish(context: TrainerContext, run: TrainingRun, message: str, code: str | None = None) -> None:
    with transaction(context.engine) as connection:
        leases.finish(connection, run, run.step, f"model version {run.candidate_id}: {message}", code)


class _Pace:
    """Renew the lease as the comparison makes progress, and interrupt it when the process stops."""

    def __init__(self, context: TrainerContext, run: TrainingRun) -> None:
        self._context = context
        self._run = run
        self._noted = -math.inf

    def report(self, where: str) -> None:
        """Record progress. Raises SliceOver to compare later, or LeaseLost to stop at once."""
        now = time.monotonic()
        self._context.watchdog.progress(self._run.lease_key)
        if now - self._noted > RENEW_SECONDS:
            with transaction(self._context.engine) as connection:
                leases.progress(connection, self._run, self._context.settings.lease_seconds, self._run.step)
            self._noted = now
            log.debug("comparing", run=str(self._run.id), at=where)
        if self._context.draining.is_set():
            raise SliceOver
