"""The end of a training run: its candidate is measured beside the champion, and promoted if the run's rule allows it.

verdict (once: the run names it) → rule → end of the run

A trainer that dies in between leaves the run ``comparing``, and another goes on: it measures again where there is no
verdict yet, and does not promote twice. What cannot be measured for want of photos or pictures stays a candidate,
and the run says why.
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
    """Compare the candidate of a run, do as its rule says, and end it.

    Raises SliceOver, LeaseLost or Unavailable: then somebody compares again.
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
    """Return the verdict on a run's candidate; measured anew unless the run has one."""
    if run.verdict_id is not None:
        with transaction(context.engine) as connection:
            return verdict_of(connection, run.verdict_id)
    assert run.candidate_id is not None
    pace = _Pace(context, run)
    pair = load_pair(context.engine, context.store, run.candidate_id)
    vgg = features(context)
    material = material_of(context, run, pair, pace.report)
    findings = measure_pair(pair, material, vgg, pace.report)
    sheet, who = put_sheet(context.store, findings, material.merchants), f"training run {run.id}"
    with transaction(context.engine) as connection:
        if not all_agree(connection, material.merchants):
            raise SliceOver  # somebody has just withdrawn his photos
        stored = add_verdict(connection, pair.ids, findings.figures, sheet, who)
        leases.record_verdict(connection, run, stored.id)
        audit.record(connection, who, "run compared", None, {"verdict": stored.id, "versions": pair.ids})
    return stored


def _decision(context: TrainerContext, run: TrainingRun, stored: StoredVerdict) -> Decision:
    """Let the rule decide, unless it has, or somebody else. Raises LeaseLost: a run that is over promotes nothing.

    The lease is renewed before the files are looked at, and again where it is promoted, which locks the run's row.
    """

    def hold(connection: Connection) -> None:
        leases.progress(connection, run, context.settings.lease_seconds, run.step)

    with transaction(context.engine) as connection:
        hold(connection)
        known = _decided(connection, stored)
    if known is not None:
        return known
    mandate = PromotionPolicy(Rule.parse(run.rule), BY_RULE, f"training run {run.id}, ", run.canary_share or 0.0, hold)
    return promote_by_rule(context.engine, context.store, stored, mandate)


def _decided(connection: Connection, stored: StoredVerdict) -> Decision | None:
    """Return what became of a candidate since its verdict, None where nobody has touched it."""
    since = [entry for entry in history(connection, stored.candidate_id) if entry.at >= stored.made_at]
    return Decision(True, f"{since[-1].kind} by {since[-1].who}: {since[-1].reason}") if since else None


def _finish(context: TrainerContext, run: TrainingRun, message: str, code: str | None = None) -> None:
    with transaction(context.engine) as connection:
        leases.finish(connection, run, run.step, f"model version {run.candidate_id}: {message}", code)


class _Pace:
    """Renews the lease as the comparison moves on, and ends it when the process is to end."""

    def __init__(self, context: TrainerContext, run: TrainingRun) -> None:
        self._workshop = context
        self._run = run
        self._noted = -math.inf

    def report(self, where: str) -> None:
        """Raise SliceOver to compare later, or LeaseLost to stop at once."""
        now = time.monotonic()
        self._workshop.watchdog.progress(self._run.lease_key)
        if now - self._noted > RENEW_SECONDS:
            with transaction(self._workshop.engine) as connection:
                leases.progress(connection, self._run, self._workshop.settings.lease_seconds, self._run.step)
            self._noted = now
            log.debug("comparing", run=str(self._run.id), at=where)
        if self._workshop.draining.is_set():
            raise SliceOver
