"""Commands ``nightly`` and ``schedules``: plan nights, and schedule them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import Annotated, Any

import typer

from producer.commands.batches import Merchant, configured, warn, with_merchant
from producer.output.amounts import cost_text, duration_text
from shared.catalog import night_actions, nights, schedules
from shared.catalog.schedules import NightRules, Timing
from shared.context import Session, open_session
from shared.crontab import Crontab
from shared.database import database_time, read_clock, transaction
from shared.errors import Conflict, InvalidInput, UsageError
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.queue.dispatch import dispatch_or_warn
from shared.terminal import JsonOption, group, note, print_json, print_line

All = Annotated[bool, typer.Option("--all", help="Everybody's.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(nightly)
    times = group(app, "schedules", "Schedules of nightly restyling, and past nights.")
    times.command("set")(schedules_set)
    times.command("list")(schedules_list)
    times.command("remove")(schedules_remove)
    times.command("pause")(schedules_pause)
    times.command("resume")(schedules_resume)
    times.command("calendar")(schedules_calendar)


def nightly(
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", help="Merchant whose night is planned; `local` by default.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All merchants whose schedules are not paused.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Plan a night now: stale images become a batch behind all other work."""
    if everybody and merchant is not None:
        raise UsageError("give either --merchant or --all")
    begin = _rehearse if dry_run else _plan
    with open_session(configured(), lasting=not dry_run) as session:
        now = read_clock(session.engine)
        if everybody:
            plans = [{"merchant": name} | _planned_or_why_not(begin, session, name, now) for name in _awake(session)]
        else:
            plans = [begin(session, merchant or LOCAL_MERCHANT, now)]
        if not dry_run:
            warn(dispatch_or_warn(session.engine, session.broker))
    if as_json:
        print_json(plans if everybody else plans[0])
        return
    for plan in plans:
        if everybody:
            print_line(plan["merchant"])
        _print_plan(plan, plan.get("merchant") or merchant or LOCAL_MERCHANT)
    if not plans:
        note("there is no schedule, or all are paused: see `atelier schedules list`")


Begin = Callable[[Session, str, datetime], dict[str, Any]]


def _planned_or_why_not(begin: Begin, session: Session, merchant: str, now: datetime) -> dict[str, Any]:
    """Return a merchant's plan, or a warning why there is none, so that other merchants' nights still begin."""
    try:
        return begin(session, merchant, now)
    except (InvalidInput, Conflict) as error:
        return {"warnings": [f"{error} ({error.code})"]}


def _awake(session: Session) -> list[str]:
    with transaction(session.engine) as connection:
        return [one.merchant for one in schedules.list_schedules(connection) if not one.paused]


def _rehearse(session: Session, merchant: str, now: datetime) -> dict[str, Any]:
    return night_actions.rehearse_night(session.engine, session.settings, operator(merchant), now)


def _plan(session: Session, merchant: str, now: datetime) -> dict[str, Any]:
    night = night_actions.begin_night(session.engine, session.settings, operator(merchant), now)
    found = {"night": night.id, "state": night.state, "batch": night.batch_id}
    return (night.plan or {}) | found | {"proof_id": night.proof_id, "proof_batch": night.proof_batch_id}


def _print_plan(plan: dict[str, Any], merchant: str) -> None:
    lines: list[tuple[str, object]] = list(plan.get("by_reason", {}).items())
    if "stale" in plan:
        lines += [("stale", plan["stale"]), ("planned", plan["images"])]
        lines.append(("left for next night", plan["left_for_next_night"]))
    if plan.get("seconds") is not None:
        lines += [
            ("duration", duration_text(plan["seconds"])),
            ("device time", duration_text(60 * plan["gpu_minutes"])),
            ("cost", cost_text(plan["cost"])),
        ]
    for name, value in lines:
        print_line(f"{name:<20}{value!s:>20}")
    for warning in plan.get("warnings", []):
        note(f"warning: {warning}")
    if plan.get("proof"):
        note(f"a sample comes first and needs your approval, since {plan['proof']}")
    for name in ("batch", "proof_batch"):
        if plan.get(name):
            print_line(f"{name}  {plan[name]}")
    if plan.get("batch"):
        note("the renditions are published when the night has ended, which needs a running `atelier beat`")
    if plan.get("proof_id"):
        show = with_merchant(f"atelier proofs show {plan['proof_id']}", merchant)
        note(f"see, approve or reject the sample: {show}")


def schedules_set(
    crontab: Annotated[
        str, typer.Argument(help="Start of the nights: minute, hour, day, month, weekday, for example '30 1 * * *'.")
    ],
    zone: Annotated[str, typer.Option(help="Time zone, for example Europe/Berlin.")] = "UTC",
    until: Annotated[
        str | None, typer.Option(help="End of the nights, for example 06:00; remaining work waits for the next night.")
    ] = None,
    images: Annotated[int | None, typer.Option(help="Largest number of images per night.")] = None,
    gpu_minutes: Annotated[float | None, typer.Option(help="Largest number of device minutes per night.")] = None,
    format: Annotated[
        list[str] | None, typer.Option("--format", help="Format of the renditions; repeat for several.")
    ] = None,
    publish: Annotated[bool, typer.Option(help="Publish the renditions when the night ends.")] = True,
    proof_above: Annotated[
        int | None, typer.Option(help="Require approval of a sample above this number of images.")
    ] = None,
    go_on_minutes: Annotated[
        float | None, typer.Option(help="Continue without approval after this many minutes.")
    ] = None,
    checks: Annotated[
        int, typer.Option(min=0, help="Largest number of source checks per day; 0 for none.")
    ] = NightRules.checks,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Set a merchant's schedule with immediate effect. Options that are not given get their defaults."""
    presets = tuple(format or NightRules.presets)
    rules = NightRules(presets, images, gpu_minutes, publish, proof_above, go_on_minutes, checks)
    timing = Timing(Crontab(crontab, zone), _time(until))
    with open_session(configured(), lasting=False) as session:
        now = read_clock(session.engine)
        found = night_actions.set_schedule(session.engine, operator(merchant), timing, rules, now).as_json(now)
    if as_json:
        print_json(found)
    else:
        _print_schedule(found)


def schedules_list(as_json: JsonOption = False) -> None:
    """List all schedules with their next nights."""
    with open_session(configured(), lasting=False) as session, transaction(session.engine) as connection:
        now = database_time(connection)
        found = [schedule.as_json(now) for schedule in schedules.list_schedules(connection)]
    if as_json:
        print_json(found)
        return
    for one in found:
        _print_schedule(one)


def _print_schedule(one: dict[str, Any]) -> None:
    until = f" to {one['ends_at']}" if one["ends_at"] else ""
    rest = "paused" if one["paused"] else f"next {one['next'][0]}"
    limits = [f"{name.replace('_', ' ')} {one[name]}" for name in ("images", "gpu_minutes", "proof_above") if one[name]]
    print_line("  ".join([one["merchant"], f"{one['crontab']}{until} {one['zone']}", *limits, rest]))


def schedules_remove(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Remove a merchant's schedule."""
    with open_session(configured(), lasting=False) as session:
        night_actions.remove_schedule(session.engine, operator(merchant))
    _done({"removed": merchant}, as_json)


def schedules_pause(merchant: Merchant = LOCAL_MERCHANT, everybody: All = False, as_json: JsonOption = False) -> None:
    """Pause a merchant's nights, or all. Work in progress waits."""
    with open_session(configured(), lasting=False) as session:
        night_actions.pause_nights(session.engine, operator(None if everybody else merchant))
    _done({"paused": "all" if everybody else merchant}, as_json)


def schedules_resume(merchant: Merchant = LOCAL_MERCHANT, everybody: All = False, as_json: JsonOption = False) -> None:
    """Resume paused nights. Missed ones are not made up for."""
    with open_session(configured(), lasting=False) as session:
        actor = operator(None if everybody else merchant)
        warn(night_actions.resume_nights(session.engine, session.broker, actor, read_clock(session.engine)))
        with scope(session.engine, merchant) as (connection, mine):
            schedule = schedules.find_schedule(connection, mine)
    _done({"resumed": "all" if everybody else merchant}, as_json)
    if schedule is not None and schedule.paused:
        note(
            f"the nights of {merchant} are still paused: {with_merchant('atelier schedules resume', merchant)}"
            if everybody
            else "the nights of all merchants are still paused: atelier schedules resume --all"
        )


def schedules_calendar(
    merchant: Merchant = LOCAL_MERCHANT,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Largest number of past nights.")] = 14,
    as_json: JsonOption = False,
) -> None:
    """Show a merchant's next nights and the results of past ones."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        now = database_time(connection)
        found = nights.list_nights(connection, mine, limit)
        schedule = schedules.find_schedule(connection, mine)
    following = schedule.timing.crontab.following(now, 3) if schedule and not schedule.paused else []
    if as_json:
        print_json({"next": [slot.isoformat() for slot in following], "nights": [night.as_json() for night in found]})
        return
    if schedule and schedule.paused:
        resume = with_merchant("atelier schedules resume", merchant)
        note(f"the schedule is paused: resume it with `{resume}`, or --all")
    for slot in following:
        print_line(f"next   {slot:%Y-%m-%d %H:%M} UTC")
    for night in found:
        plan = night.plan or {}
        proof = "" if night.proof == "none" else f"  proof {night.proof}"
        size = f"{plan.get('images', 0)} of {plan.get('stale', 0)} stale"
        print_line(
            f"{night.id:<5}  {night.slot:%Y-%m-%d %H:%M} UTC  {night.state}  {size}  {night.batch_id or '-'}{proof}"
        )
        for warning in plan.get("warnings", []):
            note(f"  night {night.id}: {warning}")


def _time(given: str | None) -> time | None:
    if given is None:
        return None
    try:
        return time.fromisoformat(given).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        raise UsageError(f"time {given!r} is not valid: write hours and minutes, for example 06:00") from None


def _done(document: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        note(", ".join(f"{name} {value}" for name, value in document.items()))
