"""Actions on model versions: promote, run as a canary, roll back, retire.

All raise NotAllowed for a merchant's key, besides the errors that each function names.
"""

from __future__ import annotations

from sqlalchemy import Engine

from shared.merchants.actors import Actor
from shared.models.promotion import canaries, promotions
from shared.models.promotion.promotions import Promoted, PromotionRequest
from shared.models.versions import Change, ChangeKind
from shared.store import ObjectStore


def promote_version(
    engine: Engine,
    store: ObjectStore,
    actor: Actor,
    version: int,
    reason: str = "",
    *,
    without_own_styles: bool = False,
) -> Promoted:
    """Make a version the champion for new batches. Raises the errors of ``promotions.promote``."""
    actor.require_admin()
    return promotions.promote(engine, store, PromotionRequest(version, actor.name, reason, without_own_styles))


def set_canary(engine: Engine, store: ObjectStore, actor: Actor, version: int, share: float, reason: str = "") -> None:
    """Pin a share of new batches to a version; 0 ends its canary. Raises as ``start_canary`` and ``stop_canary``."""
    actor.require_admin()
    if share:
        canaries.start_canary(engine, store, version, share, Change(ChangeKind.CANARY, actor.name, reason))
    else:
        canaries.stop_canary(engine, version, Change(ChangeKind.RETURN, actor.name, reason))


def roll_back(
    engine: Engine, store: ObjectStore, actor: Actor, reason: str = "", *, leaving: int | None = None
) -> Promoted:
    """Make the previous champion the champion again. Raises the errors of ``promotions.rollback``."""
    actor.require_admin()
    return promotions.rollback(engine, store, actor.name, reason, leaving)


def retire_version(engine: Engine, actor: Actor, version: int, reason: str = "") -> None:
    """Retire a candidate. Raises the errors of ``promotions.retire``."""
    actor.require_admin()
    promotions.retire(engine, version, actor.name, reason)
