"""Checks: whether the web sources of a catalogue give other pictures now than those that were styled.

A schedule has a budget of checks a day, which is spent evenly: ``checks_until`` is the moment up to which it is spent.
An image is due a day after its host last answered, and what has waited longest comes first; so a catalogue of more
images than the budget comes round in as many days as it has budgets. To take an image puts its next check off by a
lease, so that nobody else asks meanwhile, and what a dead worker had in hand is due again when that is over.

Only what is not stale anyway is asked about: the night that styles the rest reads its source by itself.
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
"""Images that are taken, and asked about, at once."""

EVERY = timedelta(days=1)
"""Between two checks of an image: nights, which style what has changed, are not more often."""

AGAIN = timedelta(hours=1)
"""Until the next check of an image whose host did not answer."""

SOON = timedelta(minutes=10)
"""Until the next check of an image whose host was not asked, since we are busy with it or it wants to rest."""

LEASE = timedelta(minutes=10)
"""Asking a page takes seconds; whoever takes longer than this is dead."""

ARREARS = timedelta(minutes=10)
"""So much of the budget is caught up after a silence, and no more: hosts are to feel a trickle, never a flood."""

BYTES_OF_A_CHECK = 2**16
"""What its host sends counts as one more check for each so many bytes. So images of hosts that know no 304, each of
which is a download, are asked about more rarely the larger they are."""

UNANSWERED = 10
"""A check that nobody answers counts as so many at least: it takes its time, which is not to be other merchants'."""

WEB = "removed_at IS NULL AND source ILIKE 'http%'"
CHECKED = f"{WEB} AND styled_content = content"
"""Which catalogue images are asked about; the same words as in their index."""


@dataclass(frozen=True)
class Page:
    """Images that are to be asked about by whoever took them, until ``lease`` is over: sources by image id.

    ``interval`` is the time in which the budget gives one check.
    """

    schedule_id: int
    merchant_id: int
    interval: timedelta
    lease: datetime
    sources: Mapping[int, str]


@dataclass(frozen=True)
class Finding:
    """What a source gives: bytes with this SHA-256, or None: nothing, since it is ``gone``, refused or out of reach.

    ``bytes`` is how many its host sent, ``unanswered`` the time for which it is left alone where it did not answer, or
    was not ``asked``: it had other requests of ours in hand, or had said to be left alone.
    """

    sha256: str | None = None
    gone: bool = False
    bytes: int = 0
    unanswered: timedelta | None = None
    asked: bool = True

    @property
    def cost(self) -> int:
        """As how many checks it counts."""
        return max(1 + self.bytes // BYTES_OF_A_CHECK, UNANSWERED if self.asked and self.unanswered is not None else 1)

    @property
    def wait(self) -> timedelta:
        """Until the next check."""
        if self.unanswered is None:
            return EVERY
        return max(AGAIN if self.asked else SOON, self.unanswered)


def take_page(connection: Connection, now: datetime) -> Page | None:
    """Take images that are due, of the merchant whose budget has waited longest; None where none is due.

    Merchants whose schedule rests, or who have none, are left alone. The page of one whose catalogue is being imported,
    planned or published is empty: nobody could write down what is found.
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
    until = spent + len(taken) * interval if taken else now  # where others have them in hand, it is another's turn
    connection.execute(
        text("UPDATE schedules SET checks_until = :until WHERE id = :id"), {"id": row.id, "until": until}
    )
    return Page(row.id, row.merchant_id, interval, lease, {one.id: one.source for one in taken})


def record_findings(connection: Connection, page: Page, findings: Mapping[int, Finding], now: datetime) -> int | None:
    """Write what was found of a page's images; return of how many the next night is to style another picture.

    What is not the picture that was styled gives its image another content. What somebody else has taken since, or
    has been styled, stays as it is. None where the catalogue is being imported, planned or published, which is not
    waited for, since it may take minutes: the page is due again when its lease is over.
    """
    _charge(connection, page, findings, now)
    if not try_lock(connection, Lock.CATALOG, page.merchant_id, shared=True):  # pages of others have other images
        return None
    values = {"merchant": page.merchant_id, "now": now, "lease": page.lease, "found": _recordset(findings, now)}
    found = """json_to_recordset(CAST(:found AS json))
        AS n (id bigint, seen uuid, content uuid, again uuid, gone bool, check_at timestamptz)
        WHERE i.id = n.id AND i.merchant_id = :merchant AND i.check_at = :lease AND i.styled_content = i.content"""
    changed = connection.execute(
        text(f"""
        UPDATE catalog_images i SET feed_content = coalesce(i.feed_content, i.content),
            content = CASE WHEN n.content = i.styled_content THEN n.again ELSE n.content END,
            gone_at = NULL, changed_at = clock_timestamp(), check_at = n.check_at
        FROM {found} AND i.styled_source <> n.seen
        """),
        values,
    ).rowcount
    # Where it is not known of what the rendition was made, what is seen first counts as that.
    connection.execute(
        text(f"""
        UPDATE catalog_images i SET styled_source = coalesce(i.styled_source, n.seen), check_at = n.check_at,
            gone_at = CASE WHEN n.gone THEN coalesce(i.gone_at, :now) WHEN n.seen IS NULL THEN i.gone_at END,
            refused_content = CASE WHEN n.seen IS NULL OR i.refused_code <> 'image_not_found'
                                   THEN i.refused_content END
        FROM {found}
        """),
        values,
    )
    return changed


def _charge(connection: Connection, page: Page, findings: Mapping[int, Finding], now: datetime) -> None:
    """Spend what findings cost beyond one check each.

    Where a host was not asked, the page took its time in vain and cost little: of the others' turns all come first.
    """
    more = sum(one.cost - 1 for one in findings.values()) * page.interval
    least = None if all(one.asked for one in findings.values()) else now
    if more or least:
        connection.execute(
            text("""
            UPDATE schedules SET checks_until = greatest(checks_until + :more, CAST(:least AS timestamptz))
            WHERE id = :id
            """),
            {"id": page.schedule_id, "more": more, "least": least},
        )


def _recordset(findings: Mapping[int, Finding], now: datetime) -> str:
    """Return findings as JSON. ``again`` is the content of what was styled as ``content``, and was another by then."""
    columns = ("id", "seen", "content", "again", "gone", "check_at")
    rows = []
    for image_id, found in findings.items():
        sha256 = found.sha256
        digests = (sha256[:32], digest("seen", sha256), digest("seen again", sha256)) if sha256 else (None,) * 3
        rows.append((image_id, *digests, found.gone, now + found.wait))
    return recordset(columns, rows)


@dataclass(frozen=True)
class Round:
    """How far the checks of a catalogue are.

    ``images``     web sources there are; those of stale images are left to the night.
    ``changed``    found to be others than were styled, and not styled since.
    ``gone``       that their host does not have any more; what is shown of them stays.
    ``due``        that are to be asked about, ``due_since`` when the first of them.
    ``checks``     that the schedule allows in a day, ``days`` a round takes by that; None where it never ends.
    """

    images: int
    changed: int
    gone: int
    due: int
    due_since: datetime | None
    checks: int
    days: float | None


def find_round(connection: Connection, merchant: int, now: datetime) -> Round:
    """Return how far the checks of a merchant's catalogue are."""
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
    """Return what a plan says of images whose source is gone."""
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
        f"{row.images} images whose source is gone, as that of sku {row.sku!r}: what is shown of them stays; put the "
        "files back, or send a feed without them",
    )
