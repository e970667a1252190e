"""Candidates as rows and objects alone: nothing can be painted with them."""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.models.versions import add_candidate, champion


def add_version(session: Session, name: str, *, without: str = "") -> int:
    """Add a candidate that knows the champion's public styles, but for one, by the very same rows."""
    trunk = name.encode()
    digest = sha256(trunk).hexdigest()
    key = f"models/{digest}.safetensors"
    session.store.put(key, trunk)
    with transaction(session.engine) as connection:
        before = champion(connection)
        number = add_candidate(connection, digest, key, {})
        connection.execute(
            text("""
            INSERT INTO style_rows (style_id, trunk_sha256, sha256, object_key)
            SELECT style_id, :trunk, sha256, object_key FROM style_rows r JOIN styles s ON s.id = r.style_id
            WHERE trunk_sha256 = :before AND s.merchant_id IS NULL AND s.name <> :without
            """),
            {"trunk": digest, "before": before.trunk_sha256, "without": without},
        )
        return number


def champion_id(session: Session) -> int:
    with transaction(session.engine) as connection:
        return champion(connection).id
