"""Command ``audit``: list who did what, and when."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC
from typing import Annotated

import typer

from producer.commands.moments import Since
from shared.context import open_session
from shared.database import transaction
from shared.merchants.audit import Entry, entries
from shared.merchants.merchants import find_merchant
from shared.settings import load_settings
from shared.terminal import JsonOption, note, print_json, print_line


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit")(audit_command)


def audit_command(
    merchant: Annotated[str | None, typer.Option("--merchant", "-m", help="Only entries about this merchant.")] = None,
    since: Since = None,
    before: Annotated[int | None, typer.Option(help="Only entries older than this one, for the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Largest number of entries.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the audit log: who did what, newest first."""
    with open_session(load_settings(), lasting=False) as session, transaction(session.engine) as connection:
        whose = find_merchant(connection, merchant) if merchant else None
        found = entries(connection, merchant=whose, since=since, before=before, limit=limit)
    older = found[-1].id if len(found) == limit else None
    if as_json:
        print_json({"entries": [asdict(one) for one in found], "before": older})
        return
    for one in found:
        print_line(_line(one))
    if older is not None:
        note(f"older entries: --before {older}")


def _line(one: Entry) -> str:
    whose = one.merchant or (f"merchant {one.merchant_id}" if one.merchant_id else "-")
    at = one.at.astimezone(UTC).isoformat(timespec="seconds")
    return f"{one.id}  {at}  {one.who}  {one.what}  {whose}  {json.dumps(one.details)}"
