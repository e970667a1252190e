"""Actions on merchants: keys of the HTTP API, allowed sources, quotas, and own presets."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from shared.merchants import audit, keys, merchants, presets, quotas
from shared.merchants.actors import Actor, administering, confined, unconfined
from shared.merchants.keys import ApiKey
from shared.merchants.merchants import find_merchant, merchant_id, require_kept
from shared.merchants.quotas import Quota
from shared.presets import Preset


def create_key(engine: Engine, actor: Actor, name: str, *, days: int | None = None) -> tuple[ApiKey, str]:
    """Create a key of the actor's merchant, or an admin's key (None). Returns it with its secret, shown only once.

    ``days`` is the number of days until it expires. Raises UsageError on a bad name, Conflict if taken, NotAllowed.
    """
    with administering(engine, actor) as connection:
        owner = merchant_id(connection, actor.merchant) if isinstance(actor.merchant, str) else actor.merchant
        key, secret = keys.create_key(connection, owner, name, days=days)
        if owner is not None:
            require_kept(connection, owner)
        _record_key(connection, actor, "key create", key)
        return key, secret


def revoke_key(engine: Engine, actor: Actor, name: str) -> ApiKey:
    """Revoke a key of the actor's merchant, or an admin's key (None), at once. Raises NotFound, NotAllowed."""
    with administering(engine, actor) as connection:
        owner = find_merchant(connection, actor.merchant) if isinstance(actor.merchant, str) else actor.merchant
        key = keys.revoke_key(connection, owner, name)
        _record_key(connection, actor, "key revoke", key)
        return key


def allow_source(engine: Engine, actor: Actor, prefix: str) -> tuple[str, ...]:
    """Allow a merchant what is below an ``s3://`` prefix; return all allowed ones. Raises UsageError, NotAllowed."""
    return _change_sources(engine, actor, prefix, allow=True)


def withdraw_source(engine: Engine, actor: Actor, prefix: str) -> tuple[str, ...]:
    """Undo ``allow_source``, for waiting images too; return the prefixes that are still allowed."""
    return _change_sources(engine, actor, prefix, allow=False)


def add_preset(engine: Engine, actor: Actor, preset: Preset) -> bool:
    """Add a preset of the merchant's own, for batches that begin from now on; return whether its rules are new.

    Raises UsageError for an unknown ``otherwise``, and Conflict for a name of a channel or when there are too many.
    """
    with confined(engine, actor) as (connection, merchant):
        is_new = presets.add_preset(connection, merchant, preset)
        require_kept(connection, merchant)
        audit.record(connection, actor.name, "presets add", merchant, {"preset": preset.name, "sha256": preset.sha256})
        return is_new


def set_quota(engine: Engine, actor: Actor, soft: int | None, hard: int | None) -> Quota:
    """Set how many images a merchant may have styled in a month (None: any number); return what counts against that.

    Raises UsageError for impossible limits, NotAllowed.
    """
    actor.require_admin()
    with unconfined(engine, actor) as (connection, merchant):
        quotas.set_limits(connection, merchant, soft, hard)
        audit.record(connection, actor.name, "merchants quota", merchant, {"soft": soft, "hard": hard})
        return quotas.find_quota(connection, merchant)


def _change_sources(engine: Engine, actor: Actor, prefix: str, *, allow: bool) -> tuple[str, ...]:
    actor.require_admin()
    with unconfined(engine, actor) as (connection, merchant):
        change = merchants.allow_source if allow else merchants.withdraw_source
        change(connection, merchant, prefix)
        what = "merchants allow" if allow else "merchants withdraw"
        audit.record(connection, actor.name, what, merchant, {"prefix": prefix})
        return merchants.allowed_sources(connection, merchant)


def _record_key(connection: Connection, actor: Actor, what: str, key: ApiKey) -> None:
    audit.record(connection, actor.name, what, key.merchant_id, {"name": key.name, "prefix": key.prefix})
