"""Check the stored files of a model version before it is used."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, text

from shared.errors import DamagedVersion, MissingObject
from shared.models.versions import ModelVersion
from shared.store import ObjectStore


def version_files(connection: Connection, version: ModelVersion) -> dict[str, str]:
    """Return the keys and hashes of a version's objects: the trunk, and the current vector of each style."""
    rows = connection.execute(
        text("""
        SELECT DISTINCT ON (style_id) object_key, sha256 FROM style_rows WHERE trunk_sha256 = :trunk
        ORDER BY style_id, id DESC
        """),
        {"trunk": version.trunk_sha256},
    )
    return {version.object_key: version.trunk_sha256} | {row.object_key: row.sha256 for row in rows}


def check_files(store: ObjectStore, version: ModelVersion, files: dict[str, str]) -> None:
    """Read all files of a version. Raises DamagedVersion for one that is missing or damaged."""
    for key, sha256 in files.items():
        try:
            whole = hashlib.sha256(store.get(key)).hexdigest() == sha256
            problem = "does not match its hash"
        except MissingObject:
            whole, problem = False, "is missing in the store"
        if not whole:
            raise DamagedVersion(
                f"model version {version.id} cannot be used: its file {key} {problem}; restore it with "
                "`atelier models import` of the same checkpoint"
            )
