"""Moments on a command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from shared.errors import UsageError


def parse_moment(given: str | datetime) -> datetime:
    """Parse an ISO 8601 date or time; it is in UTC unless it names a zone. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(str(given).strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"time {str(given)[:100]!r} is not valid: write a date or a time, in UTC unless it names a zone, for"
            " example 2026-03-01 or 2026-03-01T06:00"
        ) from None


Since = Annotated[
    datetime | None, typer.Option(parser=parse_moment, metavar="TIME", help="Only entries since this time, in UTC.")
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        parser=parse_moment,
        metavar="TIME",
        help="Show what the whole catalogue showed at this time, in UTC.",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        parser=parse_moment,
        metavar="TIME",
        help="Time, in UTC, at which the look ends and the earlier one applies again.",
    ),
]
