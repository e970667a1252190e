"""Commands ``retrain`` and ``runs``: queue, watch, cancel and schedule training runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from producer.commands.batches import warn
from shared.context import Session, open_session
from shared.crontab import Crontab
from shared.database import database_time, read_clock, transaction
from shared.errors import Conflict, UsageError
from shared.merchants.actors import operator
from shared.models.promotion.canaries import parse_share
from shared.models.training import actions, requests, schedules
from shared.models.training.requests import RunSpec, Trigger
from shared.models.training.runs import RunState, TrainingRun, find_run, get_run, list_runs
from shared.settings import load_settings
from shared.terminal import EXIT_INTERRUPTED, JsonOption, group, note, print_json, print_line

POLL_SECONDS = 1.0
BLOCKS = "▁▂▃▄▅▆▇█"

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or its first characters.")]
Train = Annotated[str, typer.Option("--train", help="What to train: style (style vectors only), decoder, or all.")]
Styles = Annotated[
    str | None, typer.Option("--styles", help="Names of styles, separated by commas; all public ones by default.")
]
Steps = Annotated[int, typer.Option(min=1, max=requests.MOST_STEPS, help="Number of training steps.")]
Photos = Annotated[int, typer.Option("--photos", min=1, max=requests.MOST_PHOTOS, help="Largest number of photos.")]
Overrides = Annotated[
    Path | None, typer.Option("--config", help="JSON file with fields of the training config to change.")
]

Promotion = Annotated[
    str,
    typer.Option(
        "--rule", help="Rule that promotes the candidate: never, if-better, or 'if-no-style-regresses-by 5%'."
    ),
]
CanaryShare = Annotated[
    str | None, typer.Option("--canary", help="Give the candidate this share of new batches first, for example 10%.")
]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("retrain")(retrain)
    known = group(app, "runs", "Training runs and their schedules.")
    known.command("list")(runs_list)
    known.command("show")(runs_show)
    known.command("cancel")(runs_cancel)
    known.command("schedule")(runs_schedule)
    known.command("schedules")(runs_schedules)
    known.command("unschedule")(runs_unschedule)


def retrain(
    reason: Annotated[str, typer.Option(help="Reason, for the audit log.")],
    train: Train = RunSpec.depth,
    styles: Styles = None,
    steps: Steps = RunSpec.steps,
    photos: Photos = RunSpec.photos,
    config: Overrides = None,
    rule: Promotion = RunSpec.rule,
    canary: CanaryShare = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder of pictures of the styles, NAME.jpg or NAME/; stored for later runs.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Watch the run until it ends; Ctrl-C only stops watching.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Queue a training run on catalogues of consenting merchants, for `worker --queue train`."""
    if not reason.strip():
        raise UsageError("give a reason for the training with --reason")
    wanted = RunSpec(train, _names(styles), steps, photos, _overrides(config), rule, _share(canary))
    with open_session(load_settings()) as session:
        if pictures is not None:
            styles_kept = actions.keep_style_pictures(session.engine, session.store, operator(), pictures)
            note(f"pictures of {len(styles_kept)} styles have been stored")
        queued = actions.queue_training(session.engine, session.broker, operator(), wanted, reason)
        warn(queued.warnings)
        found = _watch(session, queued.run.id) if wait else queued.run
    _print_run(found, as_json)
    if wait and found.state != RunState.FINISHED:
        raise Conflict(f"training run {found.id} was {found.state}: {found.message}", code=found.code or found.state)


def _watch(session: Session, run_id: UUID) -> TrainingRun:
    """Print a run's progress until it is over."""
    told = ""
    try:
        while not (run := _now(session, run_id)).over:
            line = _progress(run)
            if line != told:
                note(line)
                told = line
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        note(f"no longer watching; the run continues: atelier runs show {run_id}")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    return run


def _now(session: Session, run_id: UUID) -> TrainingRun:
    with transaction(session.engine) as connection:
        return get_run(connection, run_id)


def runs_list(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Largest number of runs.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List training runs, newest first."""
    with open_session(load_settings(), lasting=False) as session, transaction(session.engine) as connection:
        found = list_runs(connection, limit)
    if as_json:
        print_json([run.as_json() for run in found])
        return
    for run in found:
        print_line(f"{run.id}  {run.created_at:%Y-%m-%d %H:%M}  {run.trigger:<9}  {_progress(run)}  {run.reason}")


def runs_show(run: RunId, as_json: JsonOption = False) -> None:
    """Show a training run: its progress, curves and result."""
    with open_session(load_settings(), lasting=False) as session, transaction(session.engine) as connection:
        found = find_run(connection, run)
    _print_run(found, as_json)


def runs_cancel(run: RunId, as_json: JsonOption = False) -> None:
    """Cancel a training run. Its trainer stops at the next step."""
    with open_session(load_settings(), lasting=False) as session:
        cancelled = actions.cancel_training(session.engine, operator(), run)
    _print_run(cancelled, as_json)


def runs_schedule(
    crontab: Annotated[
        str, typer.Argument(help="Start of the runs: minute, hour, day, month, weekday, for example '0 3 * * 0'.")
    ],
    zone: Annotated[str, typer.Option(help="Time zone, for example Europe/Berlin.")] = "UTC",
    on_drift: Annotated[bool, typer.Option("--on-drift", help="Train only if the photos have drifted.")] = False,
    train: Train = RunSpec.depth,
    styles: Styles = None,
    steps: Steps = RunSpec.steps,
    photos: Photos = RunSpec.photos,
    config: Overrides = None,
    rule: Promotion = RunSpec.rule,
    canary: CanaryShare = None,
    as_json: JsonOption = False,
) -> None:
    """Schedule training runs. There may be one schedule for every slot, and one for drift."""
    trigger = Trigger.DRIFT if on_drift else Trigger.SCHEDULE
    wanted = RunSpec(train, _names(styles), steps, photos, _overrides(config), rule, _share(canary))
    with open_session(load_settings(), lasting=False) as session:
        now = read_clock(session.engine)
        schedule = actions.set_training_schedule(
            session.engine, operator(), trigger, Crontab(crontab, zone), wanted, now
        )
    found = schedule.as_json(now)
    if as_json:
        print_json(found)
    else:
        _print_schedule(found)


def runs_schedules(as_json: JsonOption = False) -> None:
    """List the schedules of training with their next slots."""
    with open_session(load_settings(), lasting=False) as session, transaction(session.engine) as connection:
        now = database_time(connection)
        found = [schedule.as_json(now) for schedule in schedules.list_schedules(connection)]
    if as_json:
        print_json(found)
        return
    for one in found:
        _print_schedule(one)


def runs_unschedule(
    trigger: Annotated[str, typer.Argument(help="schedule or drift.")], as_json: JsonOption = False
) -> None:
    """Remove the schedule of a trigger."""
    with open_session(load_settings(), lasting=False) as session:
        actions.remove_training_schedule(session.engine, operator(), trigger)
    if as_json:
        print_json({"unscheduled": trigger})
    else:
        note(f"removed the schedule of {trigger}")


def _names(styles: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (styles or "").split(",") if name.strip())


def _share(canary: str | None) -> float:
    return 0.0 if canary is None else parse_share(canary)


def _overrides(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the training config {path}: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"the training config {path} must be a JSON object")
    return found


def _print_run(run: TrainingRun, as_json: bool) -> None:
    if as_json:
        print_json(run.as_json())
        return
    print_line(f"run {run.id}, {run.trigger}: {run.reason} ({run.who})")
    print_line(f"trains {run.depth} of {len(run.styles)} styles: {', '.join(run.styles)}")
    print_line(_progress(run))
    for term in ("validation", "style", "content"):
        values = [entry[term] for entry in run.curve if term in entry]
        if values:
            print_line(f"{term:<10}  {sparkline(values)}  {values[0]:.3f} → {values[-1]:.3f}")
    if run.candidate_id is not None:
        share = f", with a canary of {100 * run.canary_share:g} %" if run.canary_share else ""
        verdict = "no verdict" if run.verdict_id is None else f"verdict {run.verdict_id}"
        print_line(f"candidate {run.candidate_id}, {verdict}, promoted {run.rule}{share}")
    if run.message:
        note(f"{run.code or 'note'}: {run.message}")


def _progress(run: TrainingRun) -> str:
    return f"{run.state}  step {run.step} of {run.steps}" + (_to_go(run) if run.state == RunState.TRAINING else "")


def _to_go(run: TrainingRun) -> str:
    """Return about how long a run still takes, by the pace of its last validation."""
    last = run.curve[-1] if run.curve else {}
    if not last.get("seconds") or not last["step"]:
        return ""
    seconds = last["seconds"] / last["step"] * (run.steps - run.step)
    return f", about {seconds / 60:.0f} minutes to go"


def sparkline(values: list[float]) -> str:
    """Draw values as a line of blocks, from the lowest to the highest."""
    least, most = min(values), max(values)
    span = (most - least) or 1.0
    return "".join(BLOCKS[round((value - least) / span * (len(BLOCKS) - 1))] for value in values)


def _print_schedule(one: dict[str, Any]) -> None:
    what = f"{one['train']}, {one['steps']} steps, promoted {one['rule']}"
    print_line(f"{one['trigger']}  {one['crontab']} {one['zone']}  {what}  next {one['next'][0]}")
