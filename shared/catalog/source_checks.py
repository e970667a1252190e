"""Choose the web sources to check, and record whether they have changed since they were styled.

A schedule has a budget of checks per day, which is spent evenly: ``checks_until`` is the time up to which it is spent.
An image is due a day after its host last answered, and those that have waited longest come first. So a catalogue with
more images than the budget takes several days for a round. Taking an image delays its next check by a lease, so that
nobody else checks it meanwhile, and it is due again if the worker dies.

Only images that are not stale anyway are checked: the night that styles the others reads their sources.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from shared.catalog.digests import digest
from shared.catalog.schedules import NightRules, find_schedule
from shared.database import Lock, try_lock
from shared.recordset import recordset

PAGE = 8
"""Number of images that are checked at once."""

EVERY = timedelta(days=1)
"""Time between two checks of an image. Nights, which style the changes, are not more frequent."""

AGAIN = timedelta(hours=1)
"""Delay of the next check of an image whose host did not answer."""

SOON = timedelta(minutes=10)
"""Delay of the next check of an image whose host was not asked, since it is busy with us or wants to rest."""

LEASE = timedelta(minutes=10)
"""Checking a page takes seconds; a worker that takes longer than this is dead."""

ARREARS = timedelta(minutes=10)
"""Part of the budget that is made up for after an outage, and no more, so that hosts never get a burst."""

BYTES_OF_A_CHECK = 2**16
"""Bytes received that count as one more check. So hosts that do not answer 304, where each check is a download, are
checked less often the larger their images are."""

UNANSWERED = 10
"""Smallest cost, in checks, of one without an answer: it takes time, which must not be at other merchants' expense."""

WEB = "removed_at IS NULL AND source ILIKE 'http%'"
CHECKED = f"{WEB} AND styled_content = content"
"""Catalogue images that are checked, in the words of their index."""


@dataclass(frozen=True)
class CheckPage:
    """Images to check until ``lease`` expires: sources by image id.

    ``interval`` is the time in which the budget grows by one check.
    """

    schedule_id: int
    merchant_id: int
    interval: timedelta
    lease: datetime
    sources: Mapping[int, str]


@dataclass(frozen=True)
class Finding:
    """Result of a check: the SHA-256 of the bytes, or None if the source is ``gone``, refused or unreachable.

    ``bytes`` counts what its host sent. ``unanswered`` is the time before the next check of a source whose host did
    not answer, or was not ``asked``, since it was busy with our other requests or had asked to be left alone.
    """

    sha256: str | None = None
    gone: bool = False
    bytes: int = 0
    unanswered: timedelta | None = None
    asked: bool = True

    @property
    def cost(self) -> int:
        """Return the cost in checks."""
        return max(1 + self.bytes // BYTES_OF_A_CHECK, UNANSWERED if self.asked and self.unanswered is not None else 1)

    @property
    def wait(self) -> timedelta:
        """Return the delay of the next check."""
        if self.unanswered is None:
            return EVERY
        return max(AGAIN if self.asked else SOON, self.unanswered)


def take_page(connection: Connection, now: datetime) -> CheckPage | None:
    """Take due images of the merchant whose budget has waited longest; None if none is due.

    Merchants without a schedule, or whose schedule is paused, are skipped. The page is empty while the merchant's
    catalogue is being imported, planned or published, since nobody could record the findings.
    """
    row = connection.execute(
        text(f"""
        SELECT s.id, s.merchant_id, s.rules, s.checks_until FROM schedules s JOIN merchants m ON m.id = s.merchant_id
        WHERE (s.checks_until IS NULL OR s.checks_until < :now) AND m.erasing_at IS NULL
          AND coalesce(CAST(s.rules ->> 'checks' AS bigint), 1) > 0
          AND NOT EXISTS (SELECT FROM pauses p WHERE p.merchant_id IS NULL OR p.merchant_id = s.merchant_id)
          AND EXISTS (SELECT FROM catalog_images i WHERE i.merchant_id = s.merchant_id AND {CHECKED}
                      AND check_at <= :now)
        ORDER BY s.checks_until NULLS FIRST, s.id LIMIT 1 FOR UPDATE OF s SKIP LOCKED
        """),
        {"now": now},
    ).one_or_none()
    if row is None:
        return None
    interval = timedelta(days=1) / NightRules.from_json(row.rules).checks
    spent = max(row.checks_until or now - ARREARS, now - ARREARS)
    lease = now + LEASE
    free = try_lock(connection, Lock.CATALOG, row.merchant_id, shared=True)
    taken = connection.execute(
        text(f"""
        UPDATE catalog_images i SET check_at = :lease
        WHERE id = ANY(ARRAY(
            SELECT id FROM catalog_images WHERE merchant_id = :merchant AND {CHECKED} AND check_at <= :now
            ORDER BY check_at LIMIT :most FOR UPDATE SKIP LOCKED))
        RETURNING id, source
        """),
        {
            "merchant": row.merchant_id,
            "now": now,
            "lease": lease,
            "most": min(PAGE, math.ceil((now - spent) / interval)) if free else 0,
        },
    ).all()
    until = spent + len(taken) * interval if taken else now  # while others check them, the next merchant has its turn
    connection.execute(
        text("UPDATE schedules SET checks_until = :until WHERE id = :id"), {"id": row.id, "until": until}
    )
    return CheckPage(row.id, row.merchant_id, interval, lease, {one.id: one.source for one in taken})


def record_findings(
    connection: Connection, page: CheckPage, findings: Mapping[int, Finding], now: datetime
) -> int | None:
    """Record the findings of a page; return how many images the next night must style again.

    A changed source gives its image another content. Images that were taken or styled meanwhile do not change.
    Returns None while the catalogue is being imported, planned or published: that may take minutes, so the page is
    due again when its lease expires.
    """
    _charge(connection, page, findings, now)
    if not try_lock(connection, Lock.CATALOG, page.merchant_id, shared=True):  # other pages have other images
        return None
    values = {"merchant": page.merchant_id, "now": now, "lease": page.lease, "found": _recordset(findings, now)}
    found = """json_to_recordset(CAST(:found AS json))
        AS n (id bigint, seen uuid, content uuid, again uuid, gone bool, check_at timestamptz)
        WHERE i.id = n.id AND i.merchant_id = :merchant AND i.check_at = :lease AND i.styled_content = i.content"""
    changed = connection.execute(
        text(f"""
        UPDATE catalog_images i SET feed_content = coalesce(i.feed_content, i.content),
            content = CASE WHEN n.content = i.styled_content THEN n.again ELSE n.content END,
            gone_at = NULL, readdressed_at = NULL, changed_at = clock_timestamp(), check_at = n.check_at
        FROM {found} AND i.styled_source <> n.seen
        """),
        values,
    ).rowcount
    # If it is unknown which content was styled, the first content found counts as styled.
    connection.execute(
        text(f"""
        UPDATE catalog_images i SET styled_source = coalesce(i.styled_source, n.seen), check_at = n.check_at,
            readdressed_at = CASE WHEN n.seen IS NULL AND NOT n.gone THEN i.readdressed_at END,
            gone_at = CASE WHEN n.gone THEN coalesce(i.gone_at, :now) WHEN n.seen IS NULL THEN i.gone_at END,
            refused_content = CASE WHEN n.seen IS NULL OR i.refused_code <> 'image_not_found'
                                   THEN i.refused_content END
        FROM {found}
        """),
        values,
    )
    return changed


def _charge(connection: Connection, page: CheckPage, findings: Mapping[int, Finding], now: datetime) -> None:
    """Charge the cost of findings beyond one check each.

    If a host was not asked, the page took time and cost little, so all other merchants have their turns first.
    """
    more = sum(finding.cost - 1 for finding in findings.values()) * page.interval
    least = None if all(finding.asked for finding in findings.values()) else now
    if more or least:
        connection.execute(
            text("""
            UPDATE schedules SET checks_until = greatest(checks_until + :more, CAST(:least AS timestamptz))
            WHERE id = :id
            """),
            {"id": page.schedule_id, "more": more, "least": least},
        )


def _recordset(findings: Mapping[int, Finding], now: datetime) -> str:
    """Return findings as JSON. ``again`` is the digest of content that was styled as ``content`` and changed back."""
    columns = ("id", "seen", "content", "again", "gone", "check_at")
    rows = []
    for image_id, found in findings.items():
        sha256 = found.sha256
        digests = (sha256[:32], digest("seen", sha256), digest("seen again", sha256)) if sha256 else (None,) * 3
        rows.append((image_id, *digests, found.gone, now + found.wait))
    return recordset(columns, rows)


@dataclass(frozen=True)
class Round:
    """Progress of the checks of a catalogue.

    ``images``     web sources; those of stale images are left to the night.
    ``changed``    sources that have changed, and have not been styled since.
    ``gone``       sources that are missing; their shown renditions stay.
    ``due``        sources that are due, the first since ``due_since``.
    ``checks``     checks per day of the schedule; a round takes ``days``, None without checks.
    """

    images: int
    changed: int
    gone: int
    due: int
    due_since: datetime | None
    checks: int
    days: float | None


def find_round(connection: Connection, merchant: int, now: datetime) -> Round:
    """Return the progress of the checks of a merchant's catalogue."""
    row = connection.execute(
        text(f"""
        SELECT count(*) AS images, count(*) FILTER (WHERE styled_content <> content AND feed_content IS NOT NULL)
                   AS changed, count(gone_at) AS gone, count(*) FILTER (WHERE {CHECKED}) AS asked,
               count(*) FILTER (WHERE {CHECKED} AND check_at <= :now) AS due,
               min(check_at) FILTER (WHERE {CHECKED} AND check_at <= :now) AS due_since
        FROM catalog_images WHERE merchant_id = :merchant AND {WEB}
        """),
        {"merchant": merchant, "now": now},
    ).one()
    schedule = find_schedule(connection, merchant)
    checks = schedule.rules.checks if schedule and not schedule.paused else 0
    days = max(1.0, row.asked / checks) if checks else None
    return Round(row.images, row.changed, row.gone, row.due, row.due_since, checks, days)


def gone_warnings(connection: Connection, merchant: int) -> Sequence[str]:
    """Return a plan's warnings about images whose source is missing."""
    row = connection.execute(
        text("""
        SELECT count(*) AS images, min(sku) AS sku FROM catalog_images
        WHERE merchant_id = :merchant AND gone_at IS NOT NULL AND removed_at IS NULL
        """),
        {"merchant": merchant},
    ).one()
    if not row.images:
        return ()
    return (
        f"{row.images} images have a missing source, for example sku {row.sku!r}: their renditions stay; restore the "
        "files, or send a feed without them",
    )


def readdressed_warnings(connection: Connection, merchant: int, checks: int) -> Sequence[str]:
    """Return a plan's warnings about images with a new address whose hosts have not been asked yet."""
    images = connection.execute(
        text("""
        SELECT count(*) FROM catalog_images
        WHERE merchant_id = :merchant AND readdressed_at IS NOT NULL AND removed_at IS NULL
        """),
        {"merchant": merchant},
    ).scalar_one()
    if not images or not checks:
        return ()
    return (
        f"{images} images have an address that is new only after its ?: their hosts are asked first whether the "
        f"picture is new, {checks} checks a day",
    )


def checks_per_day(connection: Connection, merchant: int) -> int:
    """Return how many source checks a merchant's schedule allows a day; 0 without a schedule."""
    schedule = find_schedule(connection, merchant)
    return schedule.rules.checks if schedule else 0
