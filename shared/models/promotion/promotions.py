"""Promotion, rollback and retirement: the pointer to the champion moves in one transaction.

New batches are pinned to the new champion from then on; no worker is restarted, and a batch that runs stays with the
version it is pinned to. What takes time, reading the version's files, comes before the transaction, which then makes
sure that nobody else has moved the pointer meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from shared.database import Lock, lock, transaction
from shared.errors import Conflict, LeaseLost
from shared.merchants import audit
from shared.models.promotion.canaries import CanaryState, end_canary, running_canary, start_canary
from shared.models.promotion.files import check_files, version_files
from shared.models.promotion.history import history, previous_champion
from shared.models.promotion.rules import Decision, Mandate, decide
from shared.models.promotion.verdicts import StoredVerdict, latest_verdict
from shared.models.versions import (
    Change,
    ChangeKind,
    ModelVersion,
    VersionState,
    champion,
    crown,
    note_change,
    version_of,
)
from shared.store import ObjectStore

NAMED = 20
"""So many styles are named in a message."""


@dataclass(frozen=True)
class Wish:
    """Whom somebody wants as the champion, who that is, and why.

    ``without_own_styles`` accepts that merchants lose the use of styles of their own that the version does not know.
    ``hold`` is called where it is done, in the same transaction, and may raise: see ``Mandate``.
    """

    version_id: int
    who: str
    reason: str = ""
    without_own_styles: bool = False
    hold: Callable[[Connection], object] | None = None


@dataclass(frozen=True)
class Promoted:
    """The new champion, the one before, and the styles that cannot be used any more, own ones as merchant/style."""

    version_id: int
    previous_id: int
    lost_styles: Sequence[str]


def promote(engine: Engine, store: ObjectStore, wish: Wish) -> Promoted:
    """Make a version the champion; its canary, if it is one, ends with that.

    Raises NotFound, DamagedVersion, or Conflict with a code: ``is_champion``, ``styles_missing``,
    ``canary_running`` (of another version), ``champion_changed`` (by somebody else, meanwhile).
    """
    with transaction(engine) as connection:
        before, version = champion(connection), version_of(connection, wish.version_id)
        files = version_files(connection, version)
    require_other(version)
    check_files(store, version, files)
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        if wish.hold:
            wish.hold(connection)
        _require_unchanged(connection, before)
        canary = running_canary(connection)
        if canary is not None and canary.version_id != version.id:
            raise Conflict(
                f"model version {canary.version_id} is compared with the champion as a canary: promote or stop it "
                f"first, with `atelier models promote {canary.version_id} --canary 0%`",
                code="canary_running",
            )
        lost = lost_styles(connection, before, version)
        require_styles_kept(version, lost, without_own_styles=wish.without_own_styles)
        verdict = latest_verdict(connection, version.id, before.id)
        if canary is not None:
            end_canary(connection, canary, CanaryState.PROMOTED)
        crown(
            connection, version.id, Change(ChangeKind.PROMOTE, wish.who, wish.reason, verdict.id if verdict else None)
        )
        _audit(connection, wish.who, "models promote", version.id, before.id, wish.reason)
    return Promoted(version.id, before.id, lost)


def promote_by_rule(engine: Engine, store: ObjectStore, stored: StoredVerdict, mandate: Mandate) -> Decision:
    """Promote a candidate, or make it a canary, if a rule allows it after this verdict; say why, or why not.

    Else it waits for an admin. Raises LeaseLost where the mandate's ``hold`` does.
    """
    decision = decide(stored.verdict, mandate.rule)
    if not decision.promote:
        return decision
    with transaction(engine) as connection:
        current = champion(connection)
    if current.id != stored.champion_id:
        return Decision(False, f"the verdict is on {stored.champion_id}, and {current.id} is the champion now")
    reason = f"{mandate.whose}{mandate.rule}: {decision.reason}"
    try:
        if mandate.canary:
            change = Change(ChangeKind.CANARY, mandate.who, reason, stored.id)
            start_canary(engine, store, stored.candidate_id, mandate.canary, change, mandate.hold)
        else:
            promote(engine, store, Wish(stored.candidate_id, mandate.who, reason, hold=mandate.hold))
    except LeaseLost:
        raise
    except Conflict as error:
        return Decision(False, f"{decision.reason}; but {error} ({error.code})")
    return decision


def rollback(engine: Engine, store: ObjectStore, who: str, reason: str, leaving: int | None = None) -> Promoted:
    """Make the champion of before the champion again, and so on back; a canary ends with that.

    With ``leaving`` only while that version is the champion, so that asking twice goes back once.
    Styles that were learnt since do not hinder it: it is the way out of trouble. Raises Conflict with the code
    ``no_previous`` or ``champion_changed``, and DamagedVersion.
    """
    with transaction(engine) as connection:
        before, target = champion(connection), previous_champion(history(connection))
        if leaving is not None and leaving != before.id:
            raise _changed(before.id, leaving)
        if target is None:
            raise Conflict("there was no champion before this one: nothing to go back to", code="no_previous")
        version = version_of(connection, target)
        files = version_files(connection, version)
    check_files(store, version, files)
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        _require_unchanged(connection, before)
        lost = lost_styles(connection, before, version)
        canary = running_canary(connection)
        if canary is not None:
            end_canary(connection, canary, CanaryState.STOPPED)
            note_change(
                connection, canary.version_id, before.id, Change(ChangeKind.RETURN, who, "the champion was rolled back")
            )
        crown(connection, version.id, Change(ChangeKind.ROLLBACK, who, reason))
        _audit(connection, who, "models rollback", version.id, before.id, reason)
    return Promoted(version.id, before.id, lost)


def retire(engine: Engine, version_id: int, who: str, reason: str) -> None:
    """Let a candidate be one no longer; it stays loadable. Raises NotFound, Conflict (``is_champion``, ``retired``)."""
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        version = version_of(connection, version_id)
        if version.state != VersionState.CANDIDATE:
            raise Conflict(
                f"model version {version_id} is the champion: promote another, and it retires"
                if version.state == VersionState.CHAMPION
                else f"model version {version_id} is retired already",
                code="is_champion" if version.state == VersionState.CHAMPION else "retired",
            )
        canary = running_canary(connection)
        if canary is not None and canary.version_id == version_id:
            end_canary(connection, canary, CanaryState.STOPPED)
        connection.execute(text("UPDATE model_versions SET state = 'retired' WHERE id = :id"), {"id": version_id})
        current = champion(connection)
        note_change(connection, version_id, current.id, Change(ChangeKind.RETIRE, who, reason))
        _audit(connection, who, "models retire", version_id, current.id, reason)


def require_other(version: ModelVersion) -> None:
    """Raise Conflict if a version is the champion already."""
    if version.state == VersionState.CHAMPION:
        raise Conflict(f"model version {version.id} is the champion already", code="is_champion")


def lost_styles(connection: Connection, before: ModelVersion, version: ModelVersion) -> list[str]:
    """Return the styles that one version has rows of and another has not: public ones, then as merchant/style."""
    rows = connection.execute(
        text("""
        SELECT concat_ws('/', m.name, s.name) FROM styles s LEFT JOIN merchants m ON m.id = s.merchant_id
        WHERE EXISTS (SELECT FROM style_rows r WHERE r.style_id = s.id AND r.trunk_sha256 = :before)
          AND NOT EXISTS (SELECT FROM style_rows r WHERE r.style_id = s.id AND r.trunk_sha256 = :trunk)
        ORDER BY m.name NULLS FIRST, s.name
        """),
        {"before": before.trunk_sha256, "trunk": version.trunk_sha256},
    )
    return list(rows.scalars())


def own_styles(connection: Connection, before: ModelVersion, version: ModelVersion) -> dict[str, dict[str, int]]:
    """Count by merchant the own styles that one version has rows of: ``kept`` by another, or ``lost``."""
    rows = connection.execute(
        text("""
        SELECT m.name, count(*) FILTER (WHERE s.kept) AS kept, count(*) FILTER (WHERE NOT s.kept) AS lost
        FROM merchants m JOIN (
            SELECT s.merchant_id, EXISTS (
                SELECT FROM style_rows r WHERE r.style_id = s.id AND r.trunk_sha256 = :trunk) AS kept
            FROM styles s
            WHERE EXISTS (SELECT FROM style_rows r WHERE r.style_id = s.id AND r.trunk_sha256 = :before)
        ) s ON s.merchant_id = m.id
        GROUP BY m.name ORDER BY m.name
        """),
        {"before": before.trunk_sha256, "trunk": version.trunk_sha256},
    )
    return {row.name: {"kept": row.kept, "lost": row.lost} for row in rows}


def promote_command(version_id: int, lost: Sequence[str]) -> str:
    """Return the command by which an admin promotes a version for which styles would be lost, or says it cannot be."""
    if public := [name for name in lost if "/" not in name]:
        return f"it cannot be promoted without rows of {', '.join(public[:NAMED])}"
    return f"`atelier models promote {version_id}{' --without-own-styles' if lost else ''}`"


def require_styles_kept(version: ModelVersion, lost: Sequence[str], *, without_own_styles: bool) -> None:
    """Raise Conflict for styles that would be lost: any public one, and a merchant's own unless that is accepted."""
    refused = [name for name in lost if not (without_own_styles and "/" in name)]
    if not refused:
        return
    more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    only_own = all("/" in name for name in refused)
    raise Conflict(
        f"model version {version.id} has no rows of styles that are in use: {', '.join(refused[:NAMED])}{more}; "
        + ("learn them with it, or add --without-own-styles" if only_own else "learn them with it"),
        code="styles_missing",
    )


def _require_unchanged(connection: Connection, before: ModelVersion) -> None:
    now = champion(connection)
    if now.id != before.id:
        raise _changed(now.id, before.id)


def _changed(now: int, before: int) -> Conflict:
    return Conflict(
        f"model version {now} has become the champion meanwhile, in place of {before}: look at it, and ask again if "
        "you still want to",
        code="champion_changed",
    )


def _audit(connection: Connection, who: str, what: str, version: int, previous: int, reason: str) -> None:
    details = {"version": version, "previous": previous, "reason": reason}
    audit.record(connection, who, what, None, details)
