"""Digests that detect stale renditions: equal digests mean equal pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from shared.look import Look
from shared.models.styles import StyleRow


def digest(*parts: str) -> str:
    """Return 128 bits of the parts' SHA-256, in hex, which Postgres stores as a uuid: a million rows have four each."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def look_digest(look: Look, presets: Sequence[str]) -> str:
    """Return the digest of the merchant's choices. Another digest makes a rendition ``look_changed``."""
    return digest(json.dumps(look.to_json(), sort_keys=True), *sorted(presets))


def model_digest(look: Look, trunk_sha256: str, rows: Mapping[str, StyleRow]) -> str:
    """Return the digest of what paints a look: the trunk, and the vectors of the look's own styles only."""
    return digest(trunk_sha256, *(rows[name].sha256 for name in look.styles))
