"""Find the stale images of a catalogue, and why they are stale, in one pass over its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection, text

from shared.catalog.digests import look_digest, model_digest
from shared.catalog.looks import CatalogLook, LookState, list_looks
from shared.catalog.source_checks import checks_per_day, gone_warnings, readdressed_warnings
from shared.models.promotion.canaries import Pin, canary_pin
from shared.models.styles import StyleRow
from shared.models.versions import ModelVersion
from shared.preset_files import rendition_presets
from shared.presets import Preset
from shared.recordset import recordset

REASONS = ("missing", "source_changed", "look_changed", "model_changed")

REFUSED_DAYS = 7
"""Days after which refused, unchanged content is tried again: its source may be back."""


@dataclass(frozen=True)
class PaintInputs:
    """What a night paints with: a model version, the vectors of the merchant's styles, and the presets with
    their rules.

    ``batch_id`` is the id that its batch must have; None allows any.
    """

    version: ModelVersion
    style_rows: dict[str, StyleRow]
    presets: Sequence[str]
    batch_id: UUID | None = None
    preset_rules: Mapping[str, Preset] = field(default_factory=dict)


@dataclass(frozen=True)
class StaleImages:
    """Result of ``find_stale``. The images are in the temporary table ``stale``."""

    by_reason: Mapping[str, int]
    new_looks: Sequence[str]
    warnings: Sequence[str]

    @property
    def total(self) -> int:
        """Return the number of images to style."""
        return sum(self.by_reason.values())


def find_stale(connection: Connection, merchant: int, painting: PaintInputs) -> StaleImages:
    """Fill the temporary table ``stale``, and count. Call it once per transaction.

    ``missing``: nothing was made yet; ``source_changed``; ``look_changed``: another look or other formats;
    ``model_changed``: another trunk or vector than the champion's, if the look follows these, unless it is that of a
    running canary. ``since`` is the time of the change, so images that one night leaves come first in the next.
    Images in progress in another night are skipped. A new address whose host is not asked, since the merchant's
    schedule has no checks, counts as ``source_changed``.
    """
    looks = {look.id: look for look in list_looks(connection, merchant)}
    usable, warnings = _usable(looks.values(), painting.style_rows)
    found = canary_pin(connection, merchant)
    _load_looks(connection, looks.values(), usable, painting, found[0] if found else None)
    checks = checks_per_day(connection, merchant)
    _fill(connection, merchant, painting.version, asked=checks > 0)
    counts = connection.execute(
        text("""
        SELECT look_id, reason, state, CASE state WHEN 'refused' THEN code END AS code, count(*) AS images
        FROM stale GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC
        """)
    ).all()
    by_reason: Counter[str] = Counter()
    new: dict[str, None] = {}
    others: Counter[str] = Counter()
    for row in counts:
        look = looks.get(row.look_id)
        if row.state == "due" and look is not None:
            by_reason[row.reason] += row.images
            if look.state == LookState.NEW:
                new[look.name] = None
        else:
            others[_why_not(row.state, row.code, look)] += row.images
    warnings += [f"{images} images {what}" for what, images in others.items()]
    warnings += gone_warnings(connection, merchant)
    warnings += readdressed_warnings(connection, merchant, checks)
    connection.execute(text("DELETE FROM stale WHERE state <> 'due'"))
    return StaleImages({reason: by_reason[reason] for reason in REASONS}, tuple(new), warnings)


def _why_not(state: str, code: str | None, look: CatalogLook | None) -> str:
    if look is None:
        return "have no look: set one with `atelier catalog look set`"
    if state == "refused":
        return (
            f"were refused as {code} and have not changed: they are skipped for {REFUSED_DAYS} days; send other "
            "files, or a feed without them"
        )
    return f"cannot use {look.name}: set another look"


def _usable(looks: Iterable[CatalogLook], rows: Mapping[str, StyleRow]) -> tuple[set[int], list[str]]:
    """Return the looks that can be painted, and warnings about the others."""
    usable, warnings = set(), []
    for look in looks:
        gone = [name for name in look.look.styles if name not in rows]
        if gone:
            warnings.append(f"{look.name} names style {gone[0]!r}, which the champion lacks: set another look")
        elif look.state == LookState.REJECTED:
            warnings.append(f"{look.name} was rejected: set another look")
        else:
            usable.add(look.id)
    return usable, warnings


def _load_looks(
    connection: Connection, looks: Iterable[CatalogLook], usable: set[int], painting: PaintInputs, canary: Pin | None
) -> None:
    connection.execute(
        text("""
        CREATE TEMPORARY TABLE night_looks (id bigint, scope text, value text, follows bool, since timestamptz,
            usable bool, look uuid, model uuid, canary uuid) ON COMMIT DROP
        """)
    )
    columns = ("id", "scope", "value", "follows", "since", "usable", "look", "model", "canary")
    presets = rendition_presets(painting.presets, painting.preset_rules)
    data = [
        (
            *(look.id, look.scope, look.value, look.follows_model, look.changed_at.isoformat(), look.id in usable),
            look_digest(look.look, presets),
            model_digest(look.look, painting.version.trunk_sha256, painting.style_rows) if look.id in usable else None,
            _canary_digest(look, canary),
        )
        for look in looks
    ]
    connection.execute(
        text("""
        INSERT INTO night_looks SELECT * FROM json_to_recordset(CAST(:looks AS json)) AS new (id bigint, scope text,
            value text, follows bool, since timestamptz, usable bool, look uuid, model uuid, canary uuid)
        """),
        {"looks": recordset(columns, data)},
    )
    connection.execute(text("ANALYZE night_looks"))


def _canary_digest(look: CatalogLook, canary: Pin | None) -> str | None:
    """Return the digest of the canary's painting of a look, None if there is no canary that knows its styles."""
    if canary is None or not canary.knows(look.look.styles):
        return None
    return model_digest(look.look, canary.version.trunk_sha256, canary.style_rows)


def _fill(connection: Connection, merchant: int, version: ModelVersion, *, asked: bool) -> None:
    # Counted before it is joined: a night made since the last ANALYZE seems to have hardly any images, and the planner
    # would go through all of them for each image of the catalogue.
    connection.execute(
        text("""
        CREATE TEMPORARY TABLE under_way ON COMMIT DROP AS
        SELECT DISTINCT w.image_id FROM nights n JOIN night_images w ON w.batch_id = n.batch_id
        WHERE n.settled_at IS NULL AND n.merchant_id = :merchant
        """),
        {"merchant": merchant},
    )
    connection.execute(text("ANALYZE under_way"))
    connection.execute(
        text("""
        CREATE TEMPORARY TABLE stale ON COMMIT DROP AS
        WITH assigned AS (
            SELECT i.*, coalesce(s.id, c.id, k.id, d.id) AS look_id
            FROM catalog_images i
            LEFT JOIN night_looks s ON s.scope = 'sku' AND s.value = i.sku
            LEFT JOIN night_looks c ON c.scope = 'collection' AND c.value = i.collection
            LEFT JOIN night_looks k ON k.scope = 'category' AND k.value = i.category
            LEFT JOIN night_looks d ON d.scope = 'default'
            WHERE i.merchant_id = :merchant AND i.removed_at IS NULL
        ), judged AS (
            SELECT a.*, l.look, l.model, l.usable, l.since AS look_since,
                CASE WHEN a.styled_content IS NULL THEN 'missing'
                     WHEN a.styled_content <> a.content OR (a.readdressed_at IS NOT NULL AND NOT :asked)
                     THEN 'source_changed'
                     WHEN a.styled_look <> l.look THEN 'look_changed'
                     WHEN l.follows AND a.styled_model <> l.model
                      AND a.styled_model IS DISTINCT FROM l.canary THEN 'model_changed' END AS reason
            FROM assigned a LEFT JOIN night_looks l ON l.id = a.look_id
        )
        SELECT j.id AS image_id, j.look_id, j.reason, j.content, j.look, j.model, j.pixels, j.refused_code AS code,
            CASE j.reason WHEN 'look_changed' THEN j.look_since WHEN 'model_changed' THEN c.since
                          ELSE j.changed_at END AS since,
            CASE WHEN j.look_id IS NULL THEN 'no_look' WHEN NOT j.usable THEN 'held'
                 WHEN j.refused_content = j.content
                  AND j.refused_at > clock_timestamp() - make_interval(days => :days) THEN 'refused'
                 ELSE 'due' END AS state
        FROM judged j CROSS JOIN (
            SELECT max(at) AS since FROM promotions WHERE version_id = :version AND kind IN ('promote', 'rollback')
        ) c
        WHERE (j.reason IS NOT NULL OR j.look_id IS NULL) 
          AND NOT EXISTS (SELECT FROM under_way w WHERE w.image_id = j.id)
        """),
        {"merchant": merchant, "version": version.id, "days": REFUSED_DAYS, "asked": asked},
    )
    connection.execute(text("ANALYZE stale"))
