"""What must hold after whatever was broken: rows, objects, pixels, orphans."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.operations.orphans import orphans
from shared.queue.jobs import STORED
from tests.invariants import assert_nothing_lost

Pictures = dict[str, NDArray[np.int16]]
"""What a run without faults made of each photo, by the photo's hash."""

PNG_END = bytes.fromhex("49454e44ae426082")
"""Last bytes of a picture; marks and trailers stand after it."""

AT_ONCE = timedelta(days=-1)
"""A time of grace that spares nothing, whatever the resolution of a store's clock."""


def pictures(session: Session, batch_id: UUID) -> Pictures:
    """Return what a batch made of its photos."""
    with transaction(session.engine) as connection:
        made = connection.execute(
            text("""
            SELECT j.source, r.object_key FROM jobs j
            JOIN job_renditions l USING (batch_id, ordinal) JOIN renditions r ON r.id = l.rendition_id
            WHERE j.batch_id = :batch
            """),
            {"batch": batch_id},
        ).all()
    found = {}
    for source, object_key in made:
        photo = session.store.get(source.removeprefix(STORED))
        photo = photo[: photo.index(PNG_END) + len(PNG_END)]
        with Image.open(io.BytesIO(session.store.get(object_key))) as picture:
            found[hashlib.sha256(photo).hexdigest()] = np.asarray(picture, np.int16)
    return found


def assert_end_state(session: Session, batch_id: UUID, reference: Pictures) -> dict[str, int]:
    """Check a batch that has ended against a run without faults; return its jobs by state."""
    states = assert_nothing_lost(session, batch_id)
    made = pictures(session, batch_id)
    assert len(made) == states["succeeded"]
    for photo, pixels in made.items():
        assert np.abs(pixels - reference[photo]).max() <= 1
    with transaction(session.engine) as connection:
        named = set(connection.execute(text("SELECT object_key FROM renditions")).scalars())
        sources = {
            source.removeprefix(STORED) for source in connection.execute(text("SELECT source FROM jobs")).scalars()
        }
    unnamed = {key for keys in orphans(session.engine, session.store, AT_ONCE) for key in keys}
    there = {found.key for prefix in ("renditions/", "sources/") for found in session.store.list(prefix)}
    assert unnamed == there - named - sources
    return states
