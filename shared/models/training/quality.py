"""The quality of what the champion paints, to tell drift from: a batch is one observation, as with canaries.

The images of a batch share merchant, look and kind of photo; counted one by one, a single large batch would look like
a shift of everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

FIGURES = ("content_distance", "product_delta_e", "white_kept")
"""Of a rendition: see ``shared.quality.gate.Quality``."""

MOST_BATCHES = 400
"""The newest that are looked at."""

LEAST_BATCHES = 30
"""Of fewer nothing is said."""

MEASURED = 50
"""Images of a batch, the first, whose figures stand for all."""


def quality_of_batches(connection: Connection) -> list[dict[str, float]]:
    """Return the mean figures of the champion's newest batches that are finished, previews left out."""
    rows = connection.execute(
        text("""
        SELECT q.* FROM (
            SELECT b.id FROM batches b JOIN model_versions v ON v.id = b.model_version_id AND v.state = 'champion'
            WHERE b.state = 'finished' AND b.queue <> 'preview' ORDER BY b.finished_at DESC LIMIT :most
        ) b CROSS JOIN LATERAL (
            SELECT avg(CAST(r.quality ->> 'content_distance' AS float8)) AS content_distance,
                   avg(CAST(r.quality ->> 'product_delta_e' AS float8)) AS product_delta_e,
                   avg(CAST(r.quality ->> 'white_kept' AS float8)) AS white_kept
            FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
            WHERE l.batch_id = b.id AND l.ordinal < :measured AND r.quality IS NOT NULL
        ) q WHERE q.content_distance IS NOT NULL
        """),
        {"most": MOST_BATCHES, "measured": MEASURED},
    )
    return [{name: getattr(row, name) for name in FIGURES} for row in rows]


def reference_quality(connection: Connection) -> Mapping[str, Any] | None:
    """Return how the figures were distributed when a run first looked at them since the champion came; or None."""
    found = connection.execute(
        text("""
        SELECT r.quality FROM training_runs r JOIN model_versions v ON v.id = r.start_id AND v.state = 'champion'
        WHERE r.quality IS NOT NULL ORDER BY r.id LIMIT 1
        """)
    )
    return found.scalar_one_or_none()
