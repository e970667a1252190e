"""Command ``usage``: what merchants had, month by month."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from shared.context import open_session
from shared.database import transaction
from shared.merchants.merchants import find_merchant
from shared.merchants.usage import Usage, list_usage, parse_month
from shared.settings import Settings, load_settings
from shared.terminal import JsonOption, note, print_json, print_line

GIB = 2**30


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command("usage")(show_usage)


def show_usage(
    merchant: Annotated[str | None, typer.Option(help="Only this merchant.")] = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Only this month (UTC).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what merchants had, month by month: images, seconds of workers, bytes and, where prices are set, money."""
    wanted = None if month is None else parse_month(month)
    settings = load_settings()
    with open_session(settings, lasting=False) as session, transaction(session.engine) as connection:
        owner = None if merchant is None else find_merchant(connection, merchant)
        months = list_usage(connection, owner, wanted)
    if as_json:
        print_json([usage_row(one, settings) for one in months])
        return
    if not months:
        note("nothing was styled" + ("" if month is None else f" in {month}"))
        return
    width = max(len(one.merchant) for one in months)
    for one in months:
        print_line(f"{one.month:%Y-%m}  {one.merchant:<{width}}  {_figures(one, settings)}")


def usage_row(usage: Usage, settings: Settings) -> dict[str, object]:
    """Return a month as JSON; ``money`` is a text with two decimals, None without prices."""
    money = usage.money(settings)
    return asdict(usage) | {"month": f"{usage.month:%Y-%m}", "money": None if money is None else str(money)}


def _figures(usage: Usage, settings: Settings) -> str:
    money = usage.money(settings)
    return (
        f"{usage.styled} styled, {usage.reused} reused, {usage.failed} failed, {usage.seconds:.0f} seconds, "
        f"{usage.bytes_stored / GIB:.3f} GiB stored" + ("" if money is None else f", {money} to pay")
    )
