"""Commands of the HTTP API: the server, and its keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from producer.commands.batches import configured
from shared.context import open_session
from shared.database import transaction
from shared.errors import UsageError
from shared.merchants import actions, keys
from shared.merchants.actors import Actor, operator
from shared.merchants.keys import ApiKey
from shared.merchants.merchants import find_merchant
from shared.terminal import JsonOption, group, note, print_json, print_line

Merchant = Annotated[str | None, typer.Option("--merchant", "-m", help="Merchant that the key acts for.")]
Admin = Annotated[bool, typer.Option("--admin", help="Make an admin's key, for /v1/admin and the page /admin only.")]
Name = Annotated[str, typer.Option("--name", "-n", help="Name of the key, for example webshop.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("api")(api)
    found = group(app, "keys", "Keys of the HTTP API, of merchants and admins.")
    found.command("create")(create)
    found.command("list")(list_command)
    found.command("revoke")(revoke)


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
) -> None:
    """Start the HTTP API; it runs until it is stopped (SIGTERM or Ctrl-C)."""
    with open_session(configured()) as session:
        from producer.api.server import serve  # imported here, so that other commands do not load a web server

        note(f"the API listens on http://{host}:{port}/v1; Ctrl-C stops it")
        serve(session, host, port)


def create(
    name: Name,
    merchant: Merchant = None,
    admin: Admin = False,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until the key expires.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    with open_session(configured(), lasting=False) as session:
        key, secret = actions.create_key(session.engine, _owner(merchant, admin), name, days=days)
    if as_json:
        print_json(asdict(key) | {"key": secret})
    else:
        note("store this key safely; it cannot be shown again:")
        print_line(secret)


def list_command(
    merchant: Annotated[str | None, typer.Option("--merchant", "-m", help="Only keys of this merchant.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Only keys of admins.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the keys, newest first, each by its first characters."""
    with open_session(configured(), lasting=False) as session, transaction(session.engine) as connection:
        if merchant is None and not admin:
            found = keys.list_keys(connection)
        else:
            owner = _owner(merchant, admin).merchant
            found = keys.keys_of(connection, None if owner is None else find_merchant(connection, str(owner)))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        print_line(f"{one.merchant or '(admin)'}  {one.prefix}…  {_state(one)}  {one.name}")
    if not found:
        note("no keys yet: create one with `atelier keys create`")


def revoke(name: Name, merchant: Merchant = None, admin: Admin = False, as_json: JsonOption = False) -> None:
    """Revoke a key with immediate effect."""
    with open_session(configured(), lasting=False) as session:
        key = actions.revoke_key(session.engine, _owner(merchant, admin), name)
    if as_json:
        print_json(asdict(key))
    else:
        note("revoked")


def _owner(merchant: str | None, admin: bool) -> Actor:
    """Return the operator, for a merchant or for admins. Raises UsageError unless exactly one of both is said."""
    if admin == (merchant is not None):
        raise UsageError("give either --merchant M or --admin")
    return operator(merchant)


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    used = f"used {key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "never used"
    return f"{used}, expires {key.expires_at:%Y-%m-%d}" if key.expires_at else used
