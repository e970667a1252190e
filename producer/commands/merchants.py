"""Commands ``merchants``: allowed sources, quotas, consent, export and erasure."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.context import Session, open_session
from shared.database import transaction
from shared.errors import UsageError
from shared.merchants import actions, merchants, quotas
from shared.merchants.actors import operator
from shared.models.training.actions import set_consent
from shared.operations.belongings import count_rows, own_objects
from shared.operations.erasure import erase
from shared.operations.merchant_export import export_merchant
from shared.settings import load_settings
from shared.terminal import JsonOption, group, note, print_json, print_line

Name = Annotated[str, typer.Argument(metavar="MERCHANT", help="Name of the merchant.")]
Prefix = Annotated[str, typer.Argument(help="s3://bucket/ or s3://bucket/folder/; s3:// allows every bucket.")]

Limit = Annotated[str | None, typer.Option(metavar="IMAGES", help="Images a month, or `none`.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    tenants = group(app, "merchants", "Merchants: allowed buckets, quotas, consent to training, export, erasure.")
    tenants.command("show")(merchants_show)
    tenants.command("allow")(merchants_allow)
    tenants.command("withdraw")(merchants_withdraw)
    tenants.command("quota")(merchants_quota)
    tenants.command("consent")(merchants_consent)
    tenants.command("export")(merchants_export)
    tenants.command("erase")(merchants_erase)


def merchants_show(merchant: Name, as_json: JsonOption = False) -> None:
    """Show the buckets that a merchant may name as sources. They are read with the operator's access key."""
    with open_session(load_settings(), lasting=False) as session, transaction(session.engine) as connection:
        allowed = merchants.allowed_sources(connection, merchants.merchant_id(connection, merchant))
    _print_sources(merchant, allowed, as_json)


def merchants_allow(merchant: Name, prefix: Prefix, as_json: JsonOption = False) -> None:
    """Allow a merchant to name objects below s3://bucket/ or s3://bucket/folder/ as sources."""
    with open_session(load_settings(), lasting=False) as session:
        allowed = actions.allow_source(session.engine, operator(merchant), prefix)
    _print_sources(merchant, allowed, as_json)


def merchants_withdraw(merchant: Name, prefix: Prefix, as_json: JsonOption = False) -> None:
    """Undo `merchants allow`, for waiting images, too."""
    with open_session(load_settings(), lasting=False) as session:
        allowed = actions.withdraw_source(session.engine, operator(merchant), prefix)
    _print_sources(merchant, allowed, as_json)


def _print_sources(name: str, allowed: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "allowed_sources": allowed})
        return
    for prefix in allowed:
        print_line(prefix)
    if not allowed:
        note(f"{name} may name no s3:// sources: allow some with `atelier merchants allow {name} s3://bucket/`")


def merchants_quota(
    merchant: Name,
    soft: Limit = None,
    hard: Limit = None,
    as_json: JsonOption = False,
) -> None:
    """Show or set how many images a merchant may have styled in a month (UTC).

    Beyond the soft limit submissions warn; a batch that would exceed the hard limit is refused as a whole.
    """
    with open_session(load_settings(), lasting=False) as session:
        with transaction(session.engine) as connection:
            quota = quotas.find_quota(connection, merchants.find_merchant(connection, merchant))
        if soft is not None or hard is not None:
            limits = (_limit(soft, quota.soft_limit), _limit(hard, quota.hard_limit))
            quota = actions.set_quota(session.engine, operator(merchant), *limits)
    if as_json:
        print_json({"name": merchant, "left": quota.left} | asdict(quota))
        return
    print_line(f"soft limit  {_limit_text(quota.soft_limit)}")
    print_line(f"hard limit  {_limit_text(quota.hard_limit)}")
    print_line(f"styled      {quota.styled} this month")
    print_line(f"waiting     {quota.pending}")
    if quota.left is not None:
        print_line(f"left        {quota.left}")


def _limit(written: str | None, current: int | None) -> int | None:
    """Return the limit that an option asks for. Raises UsageError."""
    if written is None:
        return current
    if written == "none":
        return None
    if not (written.isascii() and written.isdigit()):
        raise UsageError(f"limit {written!r}: write a number of images, or none", code="bad_limit")
    return int(written[:20])


def _limit_text(limit: int | None) -> str:
    return "none" if limit is None else f"{limit} images a month"


def merchants_consent(
    merchant: Name,
    answer: Annotated[Literal["yes", "no"], typer.Argument(help="Whether models may be trained on the catalogue.")],
    as_json: JsonOption = False,
) -> None:
    """Record whether shared models may be trained on a merchant's catalogue; `no` ends runs that do.

    With `no`, the merchant's photos are also removed from contact sheets.
    """
    consents = answer == "yes"
    with open_session(load_settings(), lasting=False) as session:
        stopped = set_consent(session.engine, session.store, operator(merchant), consents=consents)
    if as_json:
        print_json({"name": merchant, "consents_to_training": consents, "runs_stopped": stopped})
    else:
        note(f"{merchant}: models {'may' if consents else 'may not'} be trained on this catalogue")
        if stopped:
            note(f"{stopped} training runs that used it have been stopped")


def merchants_export(
    merchant: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    as_json: JsonOption = False,
) -> None:
    """Export all data of a merchant to a folder. The same command resumes an interrupted export."""
    with open_session(load_settings(), lasting=False) as session:
        done = export_merchant(session.engine, session.store, _find(session, merchant), out, note)
    if as_json:
        print_json({"name": merchant, "out": str(out)} | asdict(done))
    else:
        print_line(f"{sum(done.rows.values())} rows and {done.objects} objects of {merchant} are in {out}")


def merchants_erase(
    merchant: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a merchant and all data, permanently. The same command resumes an interrupted erasure."""
    with open_session(load_settings(), lasting=False) as session:
        number = _find(session, merchant)
        with transaction(session.engine) as connection:
            rows = count_rows(connection, number)
        objects = sum(1 for _ in own_objects(session.store, number))
        note(f"{merchant}, merchant {number}: " + ", ".join(f"{n} {table}" for table, n in rows.items()))
        note(f"and {objects} objects, not counting those of own styles")
        if not yes:
            _confirm(merchant)
        done = erase(session.engine, session.store, number, note)
    if as_json:
        print_json({"name": merchant, "id": number, "rows": done.rows, "objects": done.objects})
    else:
        print_line(f"{merchant} has been erased; the audit log keeps the id {number}")


def _confirm(merchant: str) -> None:
    """Ask for the merchant's name. Raises UsageError without a terminal, or for another name."""
    if not sys.stdin.isatty():
        raise UsageError("nothing was erased: add --yes when there is no terminal")
    if typer.prompt("This cannot be undone. Type the merchant's name to continue", err=True) != merchant:
        raise UsageError("nothing was erased: that is not the merchant's name")


def _find(session: Session, name: str) -> int:
    with transaction(session.engine) as connection:
        return merchants.find_merchant(connection, name)
