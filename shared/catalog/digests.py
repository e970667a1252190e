"""Digests by which staleness is told: equal digests, equal pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.look import Look
from shared.styles import StyleRow


def digest(*parts: str) -> UUID:
    """Return 128 bits of the parts' SHA-256: a million rows carry four of these each."""
    return UUID(bytes=hashlib.sha256("\0".join(parts).encode()).digest()[:16])


def look_digest(look: Look, presets: Sequence[str]) -> UUID:
    """Return the digest of what a merchant decides: another one makes a rendition ``look_changed``."""
    return digest(json.dumps(look.to_json(), sort_keys=True), *sorted(presets))


def model_digest(look: Look, trunk_sha256: str, rows: Mapping[str, StyleRow]) -> UUID:
    """Return the digest of what paints a look: the trunk and the rows of the look's own styles, of no others."""
    return digest(trunk_sha256, *(rows[name].sha256 for name in look.styles))
