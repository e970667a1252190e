"""Commands of the workers: ``worker``, ``beat``, ``train``, ``evaluate``, and what makes styles."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.cli import EXIT_INTERRUPTED, STYLES_HELP, JsonOption, group, note, print_json, print_line
from shared.errors import UsageError
from shared.logs import configure_logs
from shared.model_versions import BUILT_IN
from shared.session import open_session
from shared.settings import load_settings
from shared.styles import Style
from shared.training.new_style import queue_style
from workers import model_commands
from workers.beat import run_beat
from workers.evaluation_files import EvaluationFiles
from workers.evaluation_table import comparison_table, evaluation_table, robustness_table
from workers.explanation_table import explanation_table
from workers.lesson import Lesson
from workers.training_files import TrainingFiles

Name = Annotated[str, typer.Argument(help="Name of the style.")]
Owner = Annotated[str | None, typer.Option("--merchant", "-m", help="Whose own style it is; public by default.")]
Features = Annotated[str | None, typer.Option("--vgg", help="VGG-19 features, file or URL; ATELIER_VGG by default.")]
User = Annotated[str | None, typer.Option("--merchant", "-m", help="Whose own styles count, too.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this package."""
    app.command("worker")(worker)
    app.command("beat")(beat)
    app.command("train")(train_command)
    app.command("evaluate")(evaluate_command)
    app.command("explain")(explain_command)
    app.command("export")(export_command)
    styles = group(app, "styles", STYLES_HELP)
    styles.command("add")(styles_add)
    styles.command("preview")(styles_preview)
    styles.command("export")(styles_export)
    styles.command("import")(styles_import)
    model_commands.register(app)


def worker(
    queue: Annotated[
        Literal["styling", "train"], typer.Option(help="Style chunks, or work on training runs.")
    ] = "styling",
    attached: Annotated[bool, typer.Option("--attached", hidden=True, help="Stop when standard input ends.")] = False,
) -> None:
    """Style chunks, or train, until told to stop (SIGTERM or Ctrl-C)."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=not attached) as session:
        session.broker.ping()  # later Celery would try for ever: a wrong password must be told
        if queue == "train":
            from workers.trainer import run_trainer  # here, so that nothing else waits for torch to load

            note("the trainer is ready; Ctrl-C stops it")
            raise typer.Exit(run_trainer(session))
        from workers.worker import run_worker  # here, so that nothing else waits for torch to load

        if not attached:
            note("the worker is ready; Ctrl-C stops it")
        code = run_worker(session.settings, session.engine, session.store, session.broker, until_stdin_closes=attached)
    raise typer.Exit(code)


def beat() -> None:
    """Tick: send the sweep to the workers. One is enough, two do no harm."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings) as session:
        session.broker.ping()
        run_beat(session)


def train_command(
    photos: Annotated[list[Path], typer.Option(help="Folder with photos to learn from; repeat for several.")],
    styles: Annotated[Path, typer.Option(help="Folder with the style images that the config names.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: its state, curves and checkpoint.")],
    config: Annotated[Path, typer.Option(help="Training config, JSON.")] = BUILT_IN / "recipe.json",
    vgg: Features = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Checkpoint to start from, for transfer learning.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Pause after so long; the same command goes on.")] = 1e9,
    as_json: JsonOption = False,
) -> None:
    """Train a generator from files, without any service. Interrupted, it resumes where it was."""
    from workers.training_run import train_from_files  # here, so that other commands do not load torch

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    files = TrainingFiles(config, photos, styles, vgg, start, out)
    step, steps, finished = train_from_files(files, settings, 60 * minutes, note)
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
    vgg: Features = None,
    style: Annotated[list[str] | None, typer.Option(help="Measure only this style; repeat for several.")] = None,
    px: Annotated[int, typer.Option(min=64, help="Long side of the photos.")] = 384,
    as_json: JsonOption = False,
) -> None:
    """Measure a generator from files, without any service: content kept, style taken on, flaws."""
    from workers.evaluation_run import evaluate_from_files  # here, so that other commands do not load torch

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    files = EvaluationFiles(photos, styles, vgg, checkpoint, out, style or [])
    found = evaluate_from_files(files, settings, px, note)
    if as_json:
        print_json(found)
        return
    tables = []
    for one in found["checkpoints"]:
        tables += [[f"checkpoint {one['checkpoint']}", *evaluation_table(one)], robustness_table(one)]
    if len(checkpoint) > 1:
        tables.append(comparison_table(found["checkpoints"]))
    for number, table in enumerate(tables):
        for line in table if number == 0 else ["", *table]:
            print_line(line)


def explain_command(
    photo: Annotated[Path, typer.Argument(help="The photo.")],
    rendition: Annotated[Path, typer.Argument(help="What was made of it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures and explanation.json.")],
    style_image: Annotated[
        Path | None, typer.Option("--style-image", help="Picture of the style: what of it is found again?")
    ] = None,
    vgg: Features = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a rendition changed on the photo, and which parts of the style image it resembles."""
    from workers.explanation import Sight, explain  # here, so that other commands do not load torch
    from workers.features import vgg_at_hand
    from workers.images.limits import Limits
    from workers.painter import choose_device

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    limits = Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6))
    sight = Sight.of(photo, rendition, limits, settings.working_px)
    eyes = vgg_at_hand(vgg, settings)
    if eyes is not None:
        eyes.to(choose_device(settings.device))
    elif style_image:
        raise UsageError("no VGG-19 features, which --style-image needs: set ATELIER_VGG or --vgg")
    else:
        note("no VGG-19 features (--vgg or ATELIER_VGG): only what changed can be told")
    found = explain(sight, style_image, eyes, out)
    if as_json:
        print_json(found)
        return
    for line in explanation_table(found):
        print_line(line)


def export_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The file, as in generator.onnx; an old one is replaced.")],
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint; the built-in one by default.")] = BUILT_IN,
    as_json: JsonOption = False,
) -> None:
    """Write a generator as an ONNX file, after checking that it paints as the original does."""
    from workers.onnx_export import export_onnx  # here, so that other commands do not load torch

    configure_logs(load_settings().log_level)
    made = export_onnx(checkpoint, out)
    if as_json:
        print_json(made)
    else:
        print_line(f"{out}: {made['bytes']} bytes, within {made['largest_difference']:.1e} of the original")


def styles_add(
    images: Annotated[list[Path], typer.Argument(help="Pictures of the style: one, or several that belong together.")],
    name: Annotated[str, typer.Option(help="Name of the style: lower-case letters, digits, dashes.")],
    title: Annotated[str, typer.Option(help="Title of the work.")] = "",
    artist: Annotated[str, typer.Option(help="Who made it.")] = "",
    year: Annotated[str, typer.Option(help="When it was made.")] = "",
    licence: Annotated[str, typer.Option(help="Its licence, as in public domain.")] = "",
    merchant: Owner = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of photos to practise on; repeat for several. The merchant's own by default."),
    ] = None,
    vgg: Features = None,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Steps of the learning.")] = 200,
    search: Annotated[
        int, typer.Option(min=0, max=1000, help="Try so many settings, as long as a learning each; keep the best.")
    ] = 0,
    relearn: Annotated[bool, typer.Option("--relearn", help="Give a style that exists a newer row.")] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Let a trainer learn it, on the catalogues of who consents or the owner's.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Learn a new style from pictures: a few minutes on a CPU; no other style changes."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    style = Style(name, title, artist, year, licence)
    if queue:
        if photos or vgg or search or relearn:
            raise UsageError("--queue goes with none of --photos, --vgg, --search and --relearn: see `atelier retrain`")
        with open_session(settings) as session:
            run = queue_style(session.engine, session.store, style, images, merchant, steps=steps)
        if as_json:
            print_json({"name": name, "merchant": merchant, "run": run})
        else:
            print_line(f"{name}: queued, see `atelier runs show {run}`")
        return
    lesson = Lesson(style, images, merchant, photos or [], vgg, steps, relearn, search)
    with open_session(settings, lasting=False) as session:
        from workers.style_learning import learn_style  # here, so that other commands do not load torch

        try:
            learnt = learn_style(session, lesson, note)
        except KeyboardInterrupt:
            note("interrupted; nothing was changed")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    before, after = learnt.learning.error_before, learnt.learning.error_after
    began_from = learnt.learning.began_from
    if as_json:
        print_json(
            {"name": name, "merchant": merchant, "sha256": learnt.row.sha256, "began_from": began_from}
            | {"photos": learnt.photos, "style_error_before": before, "style_error": after}
            | {"trials": [asdict(trial) for trial in learnt.trials]}
        )
    else:
        print_line(f"{name}: style error on held-out photos {before:.3f} → {after:.3f}, begun from {began_from}")


def styles_preview(
    name: Name,
    image: Annotated[Path, typer.Argument(help="The photo.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture: .jpg, .png or .webp.")],
    merchant: User = None,
    as_json: JsonOption = False,
) -> None:
    """Paint one photo in a style of the champion, here and now."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=False) as session:
        from workers.style_preview import preview_style  # here, so that other commands do not load torch

        preview_style(session, name, image, merchant, out)
    if as_json:
        print_json({"name": name, "out": str(out)})
    else:
        print_line(str(out))


def styles_export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file: a new one.")],
    merchant: User = None,
    as_json: JsonOption = False,
) -> None:
    """Write a style, a few kilobytes, to a file that another installation can import."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=False) as session:
        from workers.style_files import export_style  # here, so that other commands do not load torch

        label = export_style(session, name, merchant, out)
    if as_json:
        print_json(label.__dict__ | {"out": str(out)})
    else:
        print_line(str(out))


def styles_import(
    file: Annotated[Path, typer.Argument(help="A file that `styles export` wrote, or NAME.json with a definition.")],
    name: Annotated[str | None, typer.Option(help="Another name for it.")] = None,
    merchant: Owner = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a style from a file, verified: a row of a trunk that is known here, or a procedural definition."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=False) as session:
        from workers.style_files import import_style  # here, so that other commands do not load torch

        label, current = import_style(session, file, merchant, name)
    if not current:
        note(f"warning: {label.name} belongs to a trunk that is not the champion: it shows when that trunk is promoted")
    if as_json:
        print_json(label.__dict__ | {"merchant": merchant, "champion": current})
    else:
        print_line(f"{label.name}: {label.title}, {label.artist}, {label.year}")
