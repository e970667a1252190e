"""Commands ``services``, ``db``, ``health``, ``prune`` and ``check-renditions``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from shared import embedded
from shared.context import open_session
from shared.database import installed_revision, newest_revision, transaction
from shared.merchants.actors import operator
from shared.operations import health
from shared.operations.lost_renditions import fail_lost, lost_renditions
from shared.operations.orphans import GRACE, orphans
from shared.operations.prune import Pruned, due, prune
from shared.settings import load_settings
from shared.terminal import JsonOption, group, note, print_json, print_line


def register(app: typer.Typer) -> None:
    """Add the commands."""
    services = group(app, "services", "Embedded Postgres and Redis of this machine.")
    services.command("start")(start)
    services.command("stop")(stop)
    services.command("status")(status)
    group(app, "db", "Database tables.").command("upgrade")(upgrade)
    checks = group(app, "health", "Checks for supervisors: exit 0 if the worker or beat of this host works, 6 if not.")
    checks.command("worker")(health_worker)
    checks.command("beat")(health_beat)
    app.command("prune")(prune_command)
    app.command("check-renditions")(check_renditions)


def start(as_json: JsonOption = False) -> None:
    """Start the embedded servers and leave them running."""
    found = embedded.start(load_settings().home)
    if as_json:
        print_json(found.__dict__)
    else:
        print_line(f"ATELIER_DATABASE_URL={found.database_url}")
        print_line(f"ATELIER_BROKER_URL={found.broker_url}")


def stop(as_json: JsonOption = False) -> None:
    """Stop the embedded servers, even while commands use them."""
    stopped = embedded.stop(load_settings().home)
    if as_json:
        print_json({"stopped": stopped})
    else:
        note("stopped" if stopped else "nothing was running")


def status(as_json: JsonOption = False) -> None:
    """Show whether the embedded servers are running."""
    found = embedded.running(load_settings().home)
    if as_json:
        services = found.services.__dict__ if found else {}
        print_json({"running": found is not None, "pids": found.pids if found else {}} | services)
    elif found is None:
        print_line("not running")
    else:
        for name, pid in found.pids.items():
            print_line(f"{name} {pid}")


def upgrade(as_json: JsonOption = False) -> None:
    """Upgrade the tables to this version, and install the built-in checkpoint if there is none."""
    with open_session(load_settings(), migrate=True) as session:
        revision = installed_revision(session.engine)
    if as_json:
        print_json({"upgraded": True})
    elif revision is not None and revision > newest_revision():
        note(f"the tables are of a later release (revision {revision}); this release works on them as they are")
    else:
        note("the tables are up to date")


def health_worker(as_json: JsonOption = False) -> None:
    """Check that a worker of this host has sent a heartbeat within 30 seconds."""
    with open_session(load_settings(), lasting=False) as session:
        health.check_worker(session.engine)
    _healthy(as_json)


def health_beat(as_json: JsonOption = False) -> None:
    """Check that the beat of this ATELIER_HOME has sent one of its last three ticks."""
    settings = load_settings()
    health.check_beat(settings.home, settings.sweep_seconds)
    _healthy(as_json)


def prune_command(
    older_than: Annotated[int, typer.Option(min=1, help="Days since the batch ended.")] = 90,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove batches that ended long ago, with renditions and objects that nothing else uses."""
    with open_session(load_settings(), lasting=False) as session:
        if dry_run:
            with transaction(session.engine) as connection:
                batches, jobs = due(connection, older_than)
            orphaned = sum(map(len, orphans(session.engine, session.store, GRACE)))
            done = Pruned(batches=batches, jobs=jobs, orphans=orphaned)
        else:
            done = prune(session.engine, session.store, operator(), older_than, _tell)
    if as_json:
        print_json(asdict(done) | {"dry_run": dry_run})
    else:
        print_line(_pruned(done) + (" would be removed, and their renditions" if dry_run else " removed"))


def check_renditions(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show how many there are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find images whose stored rendition is missing. They fail as rendition_lost, and can be retried."""
    with open_session(load_settings(), lasting=False) as session:
        lost = lost_renditions(session.engine, session.store)
        failed = 0 if dry_run else fail_lost(session.engine, lost)
    if as_json:
        print_json({"lost": len(lost), "failed": failed, "dry_run": dry_run})
        return
    print_line(f"{len(lost)} renditions are missing in the store")
    if failed:
        note(f"{failed} images failed as rendition_lost: make them again with `atelier retry BATCH`")


def _tell(done: Pruned) -> None:
    note(_pruned(done))


def _pruned(done: Pruned) -> str:
    parts = [f"{done.batches} batches", f"{done.jobs} jobs"]
    if done.renditions:
        parts += [f"{done.renditions} renditions", f"{done.objects} objects"]
    if done.orphans:
        parts.append(f"{done.orphans} unused objects")
    return ", ".join(parts)


def _healthy(as_json: bool) -> None:
    if as_json:
        print_json({"healthy": True})
    else:
        print_line("healthy")
