"""Count the images of an order before anything of it is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from producer.jobs_from_rows import row_looks
from producer.manifest import Manifest
from shared.context import Session
from shared.errors import InvalidInput, ManifestError
from shared.look import Look
from shared.merchants.backgrounds import background_names
from shared.merchants.merchants import allowed_sources, require_allowed
from shared.merchants.scope import scope
from shared.models.styles import require_styles, style_rows
from shared.models.versions import champion


def count_images(session: Session, merchant: str, manifest: Manifest, looks: Sequence[Look]) -> int:
    """Read a whole manifest; return how many images it asks for, without those of invalid rows.

    A manifest that breaks off counts up to there, since that much would be accepted. Raises UnknownStyle.
    """
    with scope(session.engine, merchant) as (connection, merchant_id):
        styles = style_rows(connection, merchant_id, champion(connection).trunk_sha256)
        allowed = allowed_sources(connection, merchant_id)
        pictures = background_names(connection, merchant_id)
    require_styles((name for look in looks for name in look.styles), styles)
    looks_of, images = row_looks(tuple(looks), styles, pictures), 0
    with suppress(ManifestError):
        for row in manifest.rows():
            with suppress(InvalidInput):
                if row.error is None:
                    require_allowed(row.source, allowed)
                    images += len(looks_of(row.look))
    return images
