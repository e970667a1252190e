"""Commands of the workers: ``worker``, ``beat``, ``train`` and ``evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from celery.signals import after_task_publish

from shared import health
from shared.broker import CONTROL_QUEUE, SWEEP
from shared.cli import JsonOption, note, print_json, print_line
from shared.logs import configure_logs
from shared.model_versions import BUILT_IN
from shared.session import open_session
from shared.settings import load_settings
from workers.evaluation_files import EvaluationFiles
from workers.evaluation_table import comparison_table, evaluation_table
from workers.training_files import TrainingFiles


def register(app: typer.Typer) -> None:
    """Add the commands of this package."""
    app.command("worker")(worker)
    app.command("beat")(beat)
    app.command("train")(train_command)
    app.command("evaluate")(evaluate_command)


def worker(
    attached: Annotated[bool, typer.Option("--attached", hidden=True, help="Stop when standard input ends.")] = False,
) -> None:
    """Style chunks until told to stop (SIGTERM or Ctrl-C)."""
    settings = load_settings()
    configure_logs(settings.log_level)
    with open_session(settings, lasting=not attached) as session:
        session.broker.ping()  # later Celery would try for ever: a wrong password must be told
        from workers.worker import run_worker  # here, so that nothing else waits for torch to load

        if not attached:
            note("the worker is ready; Ctrl-C stops it")
        code = run_worker(session.settings, session.engine, session.store, session.broker, until_stdin_closes=attached)
    raise typer.Exit(code)


def beat() -> None:
    """Tick: send the sweep to the workers. One is enough, two do no harm."""
    settings = load_settings()
    configure_logs(settings.log_level)
    with open_session(settings) as session:
        session.broker.ping()
        app = session.broker.app
        after_task_publish.connect(lambda **_: health.note_tick(settings.home), weak=False)
        app.conf.beat_schedule = {
            "sweep": {
                "task": SWEEP,
                "schedule": settings.sweep_seconds,
                "options": {"queue": CONTROL_QUEUE, "expires": settings.sweep_seconds},
            }
        }
        # The scheduler that keeps its state in memory: the persistent one unpickles a file.
        app.Beat(scheduler="celery.beat:Scheduler", loglevel=settings.log_level.upper(), quiet=True).run()


def train_command(
    photos: Annotated[list[Path], typer.Option(help="Folder with photos to learn from; repeat for several.")],
    styles: Annotated[Path, typer.Option(help="Folder with the style images that the config names.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: its state, curves and checkpoint.")],
    config: Annotated[Path, typer.Option(help="Training config, JSON.")] = BUILT_IN / "config.json",
    vgg: Annotated[str | None, typer.Option(help="VGG-19 features; ATELIER_VGG by default.")] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Checkpoint to start from, for transfer learning.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Pause after so long; the same command goes on.")] = 1e9,
    as_json: JsonOption = False,
) -> None:
    """Train a generator from files, without any service. Interrupted, it resumes where it was."""
    from workers.training_run import train_from_files  # here, so that other commands do not load torch

    settings = load_settings()
    configure_logs(settings.log_level)
    files = TrainingFiles(config, photos, styles, Path(vgg or settings.vgg or "vgg19.safetensors"), start, out)
    step, steps, finished = train_from_files(files, settings.device, 60 * minutes, note)
    if as_json:
        print_json({"step": step, "steps": steps, "finished": finished, "checkpoint": str(out / "checkpoint")})
    elif finished:
        print_line(f"checkpoint: {out / 'checkpoint'}")
    else:
        print_line(f"paused at step {step} of {steps}: the same command goes on")


def evaluate_command(
    photos: Annotated[list[Path], typer.Option(help="Folder with photos, split as in training; repeat for several.")],
    styles: Annotated[Path, typer.Option(help="Folder with the style images that the checkpoint names.")],
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json and the contact sheet.")],
    checkpoint: Annotated[list[Path], typer.Option(help="Checkpoint to measure; repeat to compare several.")],
    vgg: Annotated[str | None, typer.Option(help="VGG-19 features; ATELIER_VGG by default.")] = None,
    px: Annotated[int, typer.Option(min=64, help="Long side of the photos.")] = 384,
    as_json: JsonOption = False,
) -> None:
    """Measure a generator from files, without any service: content kept, style taken on, flaws."""
    from workers.evaluation_run import evaluate_from_files  # here, so that other commands do not load torch

    settings = load_settings()
    configure_logs(settings.log_level)
    files = EvaluationFiles(photos, styles, Path(vgg or settings.vgg or "vgg19.safetensors"), checkpoint, out)
    found = evaluate_from_files(files, settings.device, px, note)
    if as_json:
        print_json(found)
        return
    tables = [[f"checkpoint {one['checkpoint']}", *evaluation_table(one)] for one in found["checkpoints"]]
    if len(checkpoint) > 1:
        tables.append(comparison_table(found["checkpoints"]))
    for number, table in enumerate(tables):
        for line in table if number == 0 else ["", *table]:
            print_line(line)
