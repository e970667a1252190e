"""Promote, roll back and retire model versions. The champion changes in one transaction.

New batches are pinned to the new champion from then on. No worker restarts, and a running batch keeps its
version. The version's files are read before the transaction, since that takes time; the transaction then makes
sure that the champion has not changed meanwhile.
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
from shared.models.promotion.rules import Decision, PromotionPolicy, decide
from shared.models.promotion.verdict_details import OwnStyles
from shared.models.promotion.verdicts import StoredVerdict, latest_verdict
from shared.models.versions import (
    Change,
    ChangeKind,
    ModelVersion,
    VersionState,
    champion,
    note_change,
    set_champion,
    version_of,
)
from shared.store import ObjectStore

NAMED = 20
"""Number of styles that a message names."""


@dataclass(frozen=True)
class PromotionRequest:
    """Which version to make the champion, who asks for it, and why.

    ``without_own_styles`` accepts that merchants lose the use of own styles that the version does not know.
    ``guard`` is called in the promoting transaction, and may raise to prevent it: see ``PromotionPolicy``.
    """

    version_id: int
    who: str
    reason: str = ""
    without_own_styles: bool = False
    guard: Callable[[Connection], object] | None = None


@dataclass(frozen=True)
class Promoted:
    """New champion, previous one, and the styles that can no longer be used, own ones as merchant/style."""

    version_id: int
    previous_id: int
    lost_styles: Sequence[str]


def promote(engine: Engine, store: ObjectStore, request: PromotionRequest) -> Promoted:
    """Make a version the champion. If it is the canary, its canary ends.

    Raises NotFound, DamagedVersion, or Conflict with a code: ``is_champion``, ``styles_missing``,
    ``canary_running`` (of another version), ``champion_changed`` (by somebody else in the meantime).
    """
    with transaction(engine) as connection:
        before, version = champion(connection), version_of(connection, request.version_id)
        files = version_files(connection, version)
    require_other(version)
    check_files(store, version, files)
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        if request.guard:
            request.guard(connection)
        _require_unchanged(connection, before)
        canary = running_canary(connection)
        if canary is not None and canary.version_id != version.id:
            raise Conflict(
                f"model version {canary.version_id} is running as a canary: promote or stop it "
                f"first, with `atelier models promote {canary.version_id} --canary 0%`",
                code="canary_running",
            )
        lost = lost_styles(connection, before, version)
        require_styles_kept(version, lost, without_own_styles=request.without_own_styles)
        verdict = latest_verdict(connection, version.id, before.id)
        if canary is not None:
            end_canary(connection, canary, CanaryState.PROMOTED)
        set_champion(
            connection,
            version.id,
            Change(ChangeKind.PROMOTE, request.who, request.reason, verdict.id if verdict else None),
        )
        _audit(connection, request.who, "models promote", version.id, before.id, request.reason)
    return Promoted(version.id, before.id, lost)


def promote_by_rule(engine: Engine, store: ObjectStore, stored: StoredVerdict, policy: PromotionPolicy) -> Decision:
    """Promote a candidate, or make it a canary, if the rule allows it after this verdict. Returns the decision.

    Otherwise it waits for an admin. Raises LeaseLost where the policy's ``guard`` does.
    """
    decision = decide(stored.verdict, policy.rule)
    if not decision.promote:
        return decision
    with transaction(engine) as connection:
        current = champion(connection)
    if current.id != stored.champion_id:
        return Decision(
            False, f"the verdict compares with version {stored.champion_id}, but {current.id} is the champion now"
        )
    reason = f"{policy.label}{policy.rule}: {decision.reason}"
    try:
        if policy.canary:
            change = Change(ChangeKind.CANARY, policy.who, reason, stored.id)
            start_canary(engine, store, stored.candidate_id, policy.canary, change, policy.guard)
        else:
            promote(engine, store, PromotionRequest(stored.candidate_id, policy.who, reason, guard=policy.guard))
    except LeaseLost:
        raise
    except Conflict as error:
        return Decision(False, f"{decision.reason}; but {error} ({error.code})")
    return decision


def rollback(engine: Engine, store: ObjectStore, who: str, reason: str, leaving: int | None = None) -> Promoted:
    """Make the previous champion the champion again; repeated calls go further back. A running canary ends.

    With ``leaving``, only while that version is the champion, so that repeating a request goes back only once.
    Styles learnt since do not prevent it: it is the way out of trouble. Raises Conflict with the code
    ``no_previous`` or ``champion_changed``, and DamagedVersion.
    """
    with transaction(engine) as connection:
        before, target = champion(connection), previous_champion(history(connection))
        if leaving is not None and leaving != before.id:
            raise _changed(before.id, leaving)
        if target is None:
            raise Conflict("there is no earlier champion to roll back to", code="no_previous")
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
        set_champion(connection, version.id, Change(ChangeKind.ROLLBACK, who, reason))
        _audit(connection, who, "models rollback", version.id, before.id, reason)
    return Promoted(version.id, before.id, lost)


def retire(engine: Engine, version_id: int, who: str, reason: str) -> None:
    """Retire a candidate; it stays loadable. Raises NotFound, Conflict (``is_champion``, ``retired``)."""
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        version = version_of(connection, version_id)
        if version.state != VersionState.CANDIDATE:
            raise Conflict(
                f"model version {version_id} is the champion: it retires when you promote another"
                if version.state == VersionState.CHAMPION
                else f"model version {version_id} is already retired",
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
    """Raise Conflict if a version is the champion."""
    if version.state == VersionState.CHAMPION:
        raise Conflict(f"model version {version.id} is already the champion", code="is_champion")


def lost_styles(connection: Connection, before: ModelVersion, version: ModelVersion) -> list[str]:
    """Return the styles that ``before`` knows and ``version`` does not: public, then own ones as merchant/style."""
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


def own_styles(connection: Connection, before: ModelVersion, version: ModelVersion) -> dict[str, OwnStyles]:
    """Count each merchant's own styles that ``before`` knows: ``kept`` or ``lost`` with ``version``."""
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
    return {row.name: OwnStyles(row.kept, row.lost) for row in rows}


def promote_command(version_id: int, lost: Sequence[str]) -> str:
    """Return the command that promotes a version without the lost styles, or say why no command can."""
    if public := [name for name in lost if "/" not in name]:
        return f"it cannot be promoted without the styles {', '.join(public[:NAMED])}"
    return f"`atelier models promote {version_id}{' --without-own-styles' if lost else ''}`"


def require_styles_kept(version: ModelVersion, lost: Sequence[str], *, without_own_styles: bool) -> None:
    """Raise Conflict for lost styles: any public one, and merchants' own ones unless ``without_own_styles``."""
    refused = [name for name in lost if not (without_own_styles and "/" in name)]
    if not refused:
        return
    more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    only_own = all("/" in name for name in refused)
    raise Conflict(
        f"model version {version.id} lacks styles that are in use: {', '.join(refused[:NAMED])}{more}; "
        + ("learn them with it, or add --without-own-styles" if only_own else "learn them with it"),
        code="styles_missing",
    )


def _require_unchanged(connection: Connection, before: ModelVersion) -> None:
    now = champion(connection)
    if now.id != before.id:
        raise _changed(now.id, before.id)


def _changed(now: int, before: int) -> Conflict:
    return Conflict(
        f"model version {now} replaced {before} as the champion in the meantime: look at it, and repeat the command if "
        "you still want to",
        code="champion_changed",
    )


def _audit(connection: Connection, actor: str, action: str, version: int, previous: int, reason: str) -> None:
    details = {"version": version, "previous": previous, "reason": reason}
    audit.record(connection, actor, action, None, details)
