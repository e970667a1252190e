"""Command ``styles list``. The workers' package has the commands that make styles."""

from __future__ import annotations

import typer

from producer.commands.batches import Merchant, configured
from shared.context import open_session
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.models.styles import list_styles
from shared.models.versions import champion
from shared.terminal import STYLES_HELP, JsonOption, group, print_json, print_line


def register(app: typer.Typer) -> None:
    """Register the command."""
    group(app, "styles", STYLES_HELP).command("list")(styles_list)


def styles_list(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """List the styles that a merchant may use."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = list_styles(connection, mine, champion(connection).trunk_sha256)
    if as_json:
        print_json([style.__dict__ for style in found])
    else:
        width = max((len(style.name) for style in found), default=0)
        for style in found:
            print_line(f"{style.name:<{width}}  {style.title}, {style.artist}, {style.year}")
