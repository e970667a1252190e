"""Command ``up``: everything on this machine, in one process group, with the pages in a browser."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from producer.commands.batches import Merchant, configured
from producer.local_processes import BEAT, TRAINER, WORKER, Supervisor, require_workers
from shared.context import Session, open_session
from shared.database import transaction
from shared.merchants import actions, keys
from shared.merchants.actors import operator
from shared.merchants.browser_sessions import CODE_MINUTES, make_code
from shared.merchants.keys import ApiKey
from shared.merchants.merchants import LOCAL_MERCHANT, merchant_id
from shared.models.training.features_file import are_at_hand
from shared.terminal import note, print_line

KEY = "up"
"""Name of the keys that the links stand for; revoking one ends the sessions that its links began."""

HOST = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command("up")(up)


def up(
    merchant: Merchant = LOCAL_MERCHANT,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
) -> None:
    """Run API, pages, a worker and beat on this machine until Ctrl-C, and print links to sign in with.

    A trainer runs as well where the features are that training needs. Only this machine can reach it.
    """
    require_workers("up")
    settings = configured()
    with open_session(settings, lasting=False) as session:
        from producer.api.server import serve  # imported here, so that other commands do not load a web server

        supervisor = Supervisor(note)
        processes: dict[str, Sequence[str]] = {"worker": WORKER, "beat": BEAT}
        if are_at_hand(session.settings):
            processes["trainer"] = TRAINER

        def began() -> None:
            supervisor.start(processes, session.settings.home / "log")
            _tell(session, merchant, f"http://{HOST}:{port}", list(processes))

        try:
            serve(session, HOST, port, began=began)
            note("stopping: work in progress is finished or given back")
        finally:
            supervisor.stop()


def _tell(session: Session, merchant: str, address: str, processes: list[str]) -> None:
    note(f"Atelier runs at {address}")
    for who, name in ((merchant, merchant), (None, "admin")):
        key = _key(session, who)
        with transaction(session.engine) as connection:
            code = make_code(connection, key)
        note(f"sign in as {name}:")
        print_line(f"{address}/sign-in#code={code}")
    sys.stdout.flush()  # a program that reads the links would wait for them until we end
    note(f"each link is good for one browser, within {CODE_MINUTES} minutes; `atelier keys create` makes lasting keys")
    note(f"{' and '.join(processes)} write to {session.settings.home / 'log'}; Ctrl-C stops all")


def _key(session: Session, merchant: str | None) -> ApiKey:
    """Return a key of ours that may be used, or a new one; of a merchant, or of an admin (None)."""
    with transaction(session.engine) as connection:
        owner = None if merchant is None else merchant_id(connection, merchant)
        known = {one.name: one for one in keys.keys_of(connection, owner)}
    names = (KEY, *(f"{KEY}-{number}" for number in range(2, len(known) + 2)))
    name = next(one for one in names if one not in known or known[one].revoked_at is None)
    return known[name] if name in known else actions.create_key(session.engine, operator(merchant), name)[0]
