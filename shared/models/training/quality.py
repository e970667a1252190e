"""Measure the quality of the champion's renditions, to detect drift. A batch is one observation, as with canaries.

The images of a batch share merchant, look and kind of photo. Counted one by one, a single large batch would look
like a shift of everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

FIGURES = ("content_distance", "product_delta_e", "white_kept")
"""Figures of a rendition that count: see ``shared.quality.gate.Quality``."""

MOST_BATCHES = 400
"""Largest number of batches, the newest, that are examined."""

LEAST_BATCHES = 30
"""Smallest number of batches for a comparison."""

MEASURED = 50
"""Number of images of a batch, the first ones, whose figures stand for all."""


def quality_of_batches(connection: Connection) -> list[dict[str, float]]:
    """Return the mean figures of the champion's newest finished batches, without previews."""
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
    """Return the first distribution of quality figures that a run recorded for this champion, or None."""
    row = connection.execute(
        text("""
        SELECT r.quality FROM training_runs r JOIN model_versions v ON v.id = r.start_id AND v.state = 'champion'
        WHERE r.quality IS NOT NULL ORDER BY r.id LIMIT 1
        """)
    )
    return row.scalar_one_or_none()
