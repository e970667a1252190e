"""Looks of the catalogue, by scope. The narrowest applies: sku, collection, category, default.

A look's state is one of ``LookState``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.errors import NotFound, UsageError
from shared.look import Look
from shared.merchants.backgrounds import background_names, settle_background
from shared.models.default_protection import settle_protection
from shared.models.styles import require_styles, style_rows
from shared.models.versions import champion

SCOPES = ("default", "category", "collection", "sku")


class LookState(StrEnum):
    """Whether nights may plan images in a look."""

    NEW = "new"
    """They may; a night with it needs approval of its sample."""
    APPROVED = "approved"
    """They may: a sample of it was approved."""
    REJECTED = "rejected"
    """They may not, until another look is set: a sample of it was rejected."""


@dataclass(frozen=True)
class CatalogLook:
    """Look and its scope. ``follows_model``: a new trunk or a relearnt style makes its renditions stale.

    ``ends_at``: when the look that it replaced applies again; None for one that stays.
    """

    id: int
    scope: str
    value: str
    look: Look
    follows_model: bool
    state: LookState
    changed_at: datetime
    ends_at: datetime | None = None

    @classmethod
    def from_row(cls, row: Row[Any]) -> CatalogLook:
        """Build from a row of ``COLUMNS``."""
        return cls(**row._asdict() | {"look": Look.from_json(row.look), "state": LookState(row.state)})

    @property
    def name(self) -> str:
        """Return the name used in messages."""
        return f"the look of {self.scope} {self.value!r}" if self.value else "the default look"


COLUMNS = "id, scope, value, look, follows_model, state, changed_at, ends_at"


def set_look(
    connection: Connection, merchant: int, scope: str, value: str, look: Look, *, follows_model: bool
) -> CatalogLook:
    """Assign a look that stays. Raises UnknownStyle, or UsageError for an invalid scope.

    The same look again changes nothing.
    Only a different look counts as new; whether it follows the model makes no difference.
    """
    _check_scope(scope, value)
    known = style_rows(connection, merchant, champion(connection).trunk_sha256)
    require_styles(look.styles, known)
    look = settle_background(settle_protection(look, known), background_names(connection, merchant))
    row = connection.execute(
        text(f"""
        INSERT INTO catalog_looks AS l (merchant_id, scope, value, look, follows_model)
        VALUES (:merchant, :scope, :value, CAST(:look AS jsonb), :follows)
        ON CONFLICT ON CONSTRAINT uq_catalog_looks_scope DO UPDATE SET
            look = excluded.look, follows_model = excluded.follows_model, ends_at = NULL, before = NULL,
            state = CASE WHEN l.look = excluded.look THEN l.state ELSE 'new' END,
            changed_at = CASE WHEN l.look = excluded.look THEN l.changed_at ELSE clock_timestamp() END
        RETURNING {COLUMNS}
        """),
        {"merchant": merchant, "scope": scope, "value": value, "look": look.json, "follows": follows_model},
    )
    return CatalogLook.from_row(row.one())


def list_looks(connection: Connection, merchant: int) -> list[CatalogLook]:
    """Return a merchant's looks, widest scope first."""
    rows = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM catalog_looks WHERE merchant_id = :merchant
        ORDER BY array_position(CAST(:scopes AS text[]), scope), value
        """),
        {"merchant": merchant, "scopes": list(SCOPES)},
    )
    return [CatalogLook.from_row(row) for row in rows]


def remove_look(connection: Connection, merchant: int, scope: str, value: str) -> None:
    """Remove a look, so that the next wider scope applies. Raises NotFound."""
    _check_scope(scope, value)
    deleted = connection.execute(
        text("DELETE FROM catalog_looks WHERE merchant_id = :merchant AND scope = :scope AND value = :value"),
        {"merchant": merchant, "scope": scope, "value": value},
    )
    if not deleted.rowcount:
        raise NotFound(f"no look is set for {scope} {value}: `atelier catalog look list` lists them")


def _check_scope(scope: str, value: str) -> None:
    if scope not in SCOPES:
        raise UsageError(f"scope {scope!r} is unknown: choose {', '.join(SCOPES)}")
    if (scope == "default") != (value == ""):
        raise UsageError("default takes no value" if value else f"name the scope of the look, as in {scope}=NAME")
