"""Commands ``models`` that need no generator: list, show, promote, rollback, retire."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import Annotated, Any

import typer

from shared.context import open_session
from shared.database import transaction
from shared.merchants.actors import operator
from shared.models.promotion import actions
from shared.models.promotion.canaries import parse_share
from shared.models.promotion.overview import Overview, list_versions, show_version
from shared.models.promotion.promotions import Promoted, promote_command
from shared.models.promotion.verdict_notes import notes
from shared.models.promotion.verdicts import VerdictFigures
from shared.settings import load_settings
from shared.terminal import MODELS_HELP, JsonOption, group, note, print_json, print_line

Version = Annotated[int, typer.Argument(metavar="ID", help="Number of the model version.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Reason, for the history and the audit log.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    models = group(app, "models", MODELS_HELP)
    models.command("list")(models_list)
    models.command("show")(models_show)
    models.command("promote")(models_promote)
    models.command("rollback")(models_rollback)
    models.command("retire")(models_retire)


def models_list(as_json: JsonOption = False) -> None:
    """List model versions, newest first."""
    with open_session(load_settings(), lasting=False) as session, transaction(session.engine) as connection:
        found = list_versions(connection)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        print_line(_line(one))


def models_show(version: Version, as_json: JsonOption = False) -> None:
    """Show a version: its styles, history, verdicts and canary."""
    with open_session(load_settings(), lasting=False) as session, transaction(session.engine) as connection:
        found = show_version(connection, version)
    if as_json:
        print_json(found)
        return
    print_line(_line(Overview(**{name: found[name] for name in Overview.__dataclass_fields__})))
    for entry in found["history"]:
        why = f": {entry['reason']}" if entry["reason"] else ""
        print_line(f"{entry['at'].astimezone(UTC):%Y-%m-%d %H:%M}  {entry['kind']} by {entry['who']}{why}")
    for verdict in found["verdicts"]:
        print_line(_verdict_line(verdict))
        for line in notes(VerdictFigures.from_json(verdict["figures"])):
            print_line(f"  {line}")
    if found["canary"]:
        for line in _canary_lines(found["canary"]):
            print_line(line)
    elif found["state"] == "candidate":
        print_line(f"waits for an admin: {promote_command(version, found['lost_styles'])}")


def models_promote(
    version: Version,
    canary: Annotated[
        str | None,
        typer.Option(help="Use the version only for this share of new batches, for example 10%; 0% stops that."),
    ] = None,
    without_own_styles: Annotated[
        bool, typer.Option("--without-own-styles", help="Promote it although it lacks merchants' own styles.")
    ] = False,
    reason: Reason = "",
    as_json: JsonOption = False,
) -> None:
    """Make a version the champion for all new batches. Running batches keep their version."""
    share = None if canary is None else parse_share(canary)
    with open_session(load_settings(), lasting=False) as session:
        engine, store, actor = session.engine, session.store, operator()
        if share is not None:
            actions.set_canary(engine, store, actor, version, share, reason)
            _say_share(version, share, as_json)
            return
        promoted = actions.promote_version(engine, store, actor, version, reason, without_own_styles=without_own_styles)
    _say(promoted, as_json)


def models_rollback(reason: Reason = "", as_json: JsonOption = False) -> None:
    """Make the previous champion the champion again. Repeat to go further back."""
    with open_session(load_settings(), lasting=False) as session:
        promoted = actions.roll_back(session.engine, session.store, operator(), reason)
    _say(promoted, as_json)


def models_retire(version: Version, reason: Reason = "", as_json: JsonOption = False) -> None:
    """Retire a candidate. Batches that are pinned to it can still use it."""
    with open_session(load_settings(), lasting=False) as session:
        actions.retire_version(session.engine, operator(), version, reason)
    if as_json:
        print_json({"version": version, "state": "retired"})
    else:
        print_line(f"model version {version} has been retired")


def _say_share(version: int, share: float, as_json: bool) -> None:
    if as_json:
        print_json({"version": version, "canary_share": share})
    elif share:
        print_line(
            f"model version {version} gets {100 * share:g} % of the new batches: see `atelier models show {version}`"
        )
    else:
        print_line(f"model version {version} is no longer a canary")


def _say(promoted: Promoted, as_json: bool) -> None:
    if as_json:
        print_json({"champion": promoted.version_id} | asdict(promoted))
        return
    print_line(f"model version {promoted.version_id} is the champion, in place of {promoted.previous_id}")
    if promoted.lost_styles:
        note(f"warning: it lacks these styles, which cannot be used now: {', '.join(promoted.lost_styles)}")


def _line(one: Overview) -> str:
    state = f"canary {100 * one.canary_share:g} %" if one.canary_share else one.state
    styles = f"{one.public_styles} styles" + (f" and {one.own_styles} of merchants" if one.own_styles else "")
    running = f", {one.running_batches} batches run on it" if one.running_batches else ""
    made = one.created_at.astimezone(UTC)
    return f"{one.id}  {state:<12}  {one.trunk_sha256[:12]}  {made:%Y-%m-%d %H:%M}  {styles}{running}"


def _verdict_line(verdict: dict[str, Any]) -> str:
    figures = verdict["figures"]
    change = "–" if figures["change"] is None else f"{figures['change']:+.1%}"
    error = "–" if figures["error"] is None else f"{figures['error']:.1%}"
    against = f"verdict {verdict['id']} against {verdict['champion_id']}"
    made = verdict["made_at"].astimezone(UTC)
    return (
        f"{made:%Y-%m-%d %H:%M}  {against}: {change} ± {error} on {figures['photos']} photos, by {verdict['made_by']}"
    )


def _canary_lines(canary: dict[str, Any]) -> list[str]:
    lines = [f"canary: {100 * canary['share']:g} % of the new batches since {canary['started_at'].astimezone(UTC):%c}"]
    for name, found in (canary["figures"] or {}).items():
        worse = "worse" if found["worse"] else "not worse"
        lines.append(f"  {name}: {found['canary']:.4g}, champion {found['champion']:.4g}, {worse} (p {found['p']:.2g})")
    return lines
