"""Commands of the workers: ``worker``, ``beat``, ``train``, ``evaluate``, ``explain``, ``export``, some ``styles``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.context import open_session
from shared.errors import UsageError
from shared.logs import configure_logs
from shared.models.styles import Style
from shared.models.training.new_style import queue_style
from shared.models.versions import BUILT_IN
from shared.settings import Settings, load_settings
from shared.terminal import EXIT_INTERRUPTED, STYLES_HELP, JsonOption, group, note, print_json, print_line
from workers.tools.evaluation_table import comparison_table, evaluation_table, robustness_table
from workers.tools.explanation_table import explanation_table
from workers.tools.style_request import StyleRequest
from workers.tools.training_files import TrainingFiles
from workers.training.evaluation_files import EvaluationFiles

Name = Annotated[str, typer.Argument(help="Name of the style.")]
Owner = Annotated[str | None, typer.Option("--merchant", "-m", help="Merchant that owns the style; public by default.")]
Features = Annotated[str | None, typer.Option("--vgg", help="VGG-19 features, a file or URL; ATELIER_VGG by default.")]
User = Annotated[str | None, typer.Option("--merchant", "-m", help="Merchant whose own styles are available, too.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
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


Attached = Annotated[bool, typer.Option("--attached", hidden=True, help="Stop when standard input ends.")]


def worker(
    queue: Annotated[
        Literal["styling", "train"], typer.Option(help="Kind of work: style images, or train models.")
    ] = "styling",
    attached: Attached = False,
) -> None:
    """Start a worker that styles images, or trains, until it is stopped (SIGTERM or Ctrl-C)."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=not attached) as session:
        session.broker.ping()  # Celery would retry for ever: report a wrong password now
        if queue == "train":
            from workers.process.trainer import run_trainer  # imported here, since torch loads slowly

            if not attached:
                note("the trainer is ready; Ctrl-C stops it")
            raise typer.Exit(run_trainer(session, until_stdin_closes=attached))
        from workers.process.worker import run_worker  # imported here, since torch loads slowly

        if not attached:
            note("the worker is ready; Ctrl-C stops it")
        code = run_worker(session.settings, session.engine, session.store, session.broker, until_stdin_closes=attached)
    raise typer.Exit(code)


def beat(attached: Attached = False) -> None:
    """Start beat, which reminds workers of regular tasks. One is enough; two do no harm."""
    from workers.process.beat import run_beat  # here, so that other commands do not load Celery

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=not attached) as session:
        session.broker.ping()
        run_beat(session, until_stdin_closes=attached)


def train_command(
    photos: Annotated[list[Path], typer.Option(help="Folder of training photos; repeat for several.")],
    styles: Annotated[Path, typer.Option(help="Folder of the style images that the config names.")],
    out: Annotated[Path, typer.Option(help="Folder for the run's state, curves and checkpoint.")],
    config: Annotated[Path, typer.Option(help="Training config, a JSON file.")] = BUILT_IN / "recipe.json",
    vgg: Features = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Checkpoint to start from, for transfer learning.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Pause after this many minutes; the same command continues.")] = 1e9,
    as_json: JsonOption = False,
) -> None:
    """Train a generator from files, without any service. The same command resumes an interrupted run."""
    from workers.tools.training_run import train_from_files  # imported here, since torch loads slowly

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    files = TrainingFiles(config, photos, styles, vgg, start, out)
    step, steps, finished = train_from_files(files, settings, 60 * minutes, note)
    if as_json:
        print_json({"step": step, "steps": steps, "finished": finished, "checkpoint": str(out / "checkpoint")})
    elif finished:
        print_line(f"checkpoint: {out / 'checkpoint'}")
    else:
        print_line(f"paused at step {step} of {steps}: the same command continues")


def evaluate_command(
    photos: Annotated[list[Path], typer.Option(help="Folder of photos, split as in training; repeat for several.")],
    styles: Annotated[Path, typer.Option(help="Folder of the style images that the checkpoint names.")],
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json and the contact sheet.")],
    checkpoint: Annotated[list[Path], typer.Option(help="Checkpoint to evaluate; repeat to compare several.")],
    vgg: Features = None,
    style: Annotated[list[str] | None, typer.Option(help="Evaluate only this style; repeat for several.")] = None,
    lpips: Annotated[Path | None, typer.Option(help="LPIPS weights (AlexNet); without them LPIPS is left out.")] = None,
    px: Annotated[int, typer.Option(min=64, help="Long side of the photos.")] = 384,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a generator from files, without any service: content, style, artefacts, robustness."""
    from workers.tools.evaluation import evaluate_from_files  # imported here, since torch loads slowly

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    files = EvaluationFiles(photos, styles, vgg, checkpoint, out, style or [], lpips)
    findings = evaluate_from_files(files, settings, px, note)
    if as_json:
        print_json(findings)
        return
    tables = []
    for checkpoint_findings in findings["checkpoints"]:
        tables += [
            [f"checkpoint {checkpoint_findings['checkpoint']}", *evaluation_table(checkpoint_findings)],
            robustness_table(checkpoint_findings),
        ]
    if len(checkpoint) > 1:
        tables.append(comparison_table(findings["checkpoints"]))
    for number, table in enumerate(tables):
        for line in table if number == 0 else ["", *table]:
            print_line(line)


def explain_command(
    photo: Annotated[Path, typer.Argument(help="The photo.")],
    rendition: Annotated[Path, typer.Argument(help="A rendition of the photo.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures and explanation.json.")],
    style_image: Annotated[
        Path | None,
        typer.Option("--style-image", help="Picture of the style, to show which of its parts the rendition resembles."),
    ] = None,
    vgg: Features = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a rendition changed, and which parts of the style image it resembles."""
    from workers.images.limits import Limits
    from workers.runtime.painter import choose_device

    # Imported here, since torch loads slowly.
    from workers.tools.explanation import PicturePair, explain, require_other_files
    from workers.training.features import vgg_at_hand

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    limits = Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6))
    require_other_files(out, photo, rendition, *([style_image] if style_image else []))
    pair = PicturePair.of(photo, rendition, limits, settings.working_px)
    features = vgg_at_hand(vgg, settings)
    if features is not None:
        features.to(choose_device(settings.device))
    elif style_image:
        raise UsageError("--style-image needs VGG-19 features: set ATELIER_VGG or --vgg")
    else:
        note("without VGG-19 features (--vgg or ATELIER_VGG) only the change is explained")
    explanation = explain(pair, style_image, features, out)
    if as_json:
        print_json(explanation)
        return
    for line in explanation_table(explanation):
        print_line(line)


def export_command(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="File to write, for example generator.onnx; an existing one is replaced."),
    ],
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint; the built-in one by default.")] = BUILT_IN,
    as_json: JsonOption = False,
) -> None:
    """Export a generator to an ONNX file, and check that it paints like the original."""
    from workers.tools.onnx_export import export_onnx  # imported here, since torch loads slowly

    configure_logs(load_settings().log_level)
    made = export_onnx(checkpoint, out)
    if as_json:
        print_json(made)
    else:
        print_line(f"{out}: {made['bytes']} bytes, within {made['largest_difference']:.1e} of the original")


def styles_add(
    images: Annotated[list[Path], typer.Argument(help="One or several pictures of the style.")],
    name: Annotated[str, typer.Option(help="Name of the style, from lower-case letters, digits and dashes.")],
    title: Annotated[str, typer.Option(help="Title of the artwork.")] = "",
    artist: Annotated[str, typer.Option(help="Artist.")] = "",
    year: Annotated[str, typer.Option(help="Year of the artwork.")] = "",
    licence: Annotated[str, typer.Option(help="Licence, for example public domain.")] = "",
    merchant: Owner = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of training photos; repeat for several. Default: the merchant's own photos."),
    ] = None,
    vgg: Features = None,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Number of training steps.")] = 200,
    search: Annotated[
        int, typer.Option(min=0, max=1000, help="Number of settings to try, each in a full training; the best is kept.")
    ] = 0,
    relearn: Annotated[bool, typer.Option("--relearn", help="Learn an existing style again.")] = False,
    grade: Annotated[
        bool,
        typer.Option("--grade", help="Take only tone and colours of one picture, in seconds and without training."),
    ] = False,
    queue: Annotated[
        bool,
        typer.Option(
            "--queue", help="Let a trainer learn it, from catalogue photos of the owner or of consenting merchants."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a style learnt from pictures. It takes a few minutes on a CPU; no other style changes."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    style = Style(name, title, artist, year, licence)
    if grade:
        if queue or photos or vgg or search or relearn or len(images) != 1:
            raise UsageError("--grade takes one picture, and none of --photos, --vgg, --search, --relearn, --queue")
        _add_grade(settings, style, images[0], merchant, as_json=as_json)
        return
    if queue:
        if photos or vgg or search or relearn:
            raise UsageError(
                "--queue cannot be combined with --photos, --vgg, --search or --relearn: see `atelier retrain`"
            )
        with open_session(settings) as session:
            run = queue_style(session.engine, session.store, style, images, merchant, steps=steps)
        if as_json:
            print_json({"name": name, "merchant": merchant, "run": run})
        else:
            print_line(f"{name}: queued; watch it with `atelier runs show {run}`")
        return
    request = StyleRequest(style, images, merchant, photos or [], vgg, steps, relearn, search)
    with open_session(settings, lasting=False) as session:
        from workers.tools.style_learning import learn_style  # imported here, since torch loads slowly

        try:
            learnt = learn_style(session, request, note)
        except KeyboardInterrupt:
            note("interrupted; nothing has changed")
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
        print_line(f"{name}: style error on held-out photos {before:.3f} → {after:.3f}, starting from {began_from}")


def styles_preview(
    name: Name,
    image: Annotated[Path, typer.Argument(help="The photo.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .jpg, .png or .webp.")],
    merchant: User = None,
    as_json: JsonOption = False,
) -> None:
    """Paint one photo in a style, on this machine, to preview the style."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=False) as session:
        from workers.tools.style_preview import preview_style  # imported here, since torch loads slowly

        preview_style(session, name, image, merchant, out)
    if as_json:
        print_json({"name": name, "out": str(out)})
    else:
        print_line(str(out))


def styles_export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; it must not exist.")],
    merchant: User = None,
    as_json: JsonOption = False,
) -> None:
    """Export a style to a file of a few kilobytes, for another installation."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=False) as session:
        from workers.tools.style_files import export_style  # imported here, since torch loads slowly

        label = export_style(session, name, merchant, out)
    if as_json:
        print_json(label.__dict__ | {"out": str(out)})
    else:
        print_line(str(out))


def styles_import(
    file: Annotated[
        Path, typer.Argument(help="File from `atelier styles export`, NAME.json with a definition, or a .cube table.")
    ],
    name: Annotated[str | None, typer.Option(help="Import the style under this name.")] = None,
    merchant: Owner = None,
    as_json: JsonOption = False,
) -> None:
    """Import a style from a verified file: a vector of an installed trunk, a definition, or a table of colours."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    if file.suffix.lower() == ".cube":
        _import_cube(settings, file, name or file.stem, merchant, as_json=as_json)
        return
    with open_session(settings, lasting=False) as session:
        from workers.tools.style_files import import_style  # imported here, since torch loads slowly

        label, current = import_style(session, file, merchant, name)
    if not current:
        note(f"warning: {label.name} belongs to another trunk than the champion's: promote that one to use it")
    if as_json:
        print_json(label.__dict__ | {"merchant": merchant, "champion": current})
    else:
        print_line(f"{label.name}: {label.title}, {label.artist}, {label.year}")


def _import_cube(settings: Settings, file: Path, name: str, merchant: str | None, *, as_json: bool) -> None:
    with open_session(settings, lasting=False) as session:
        from workers.tools.grade_files import import_cube  # imported here, since torch loads slowly

        row = import_cube(session, file, Style(name, name, "", "", ""), merchant)
    if as_json:
        print_json({"name": name, "merchant": merchant, "sha256": row.sha256, "kind": "colour-table"})
    else:
        print_line(f"{name}: a table of colours, ready to use")


def _add_grade(settings: Settings, style: Style, picture: Path, merchant: str | None, *, as_json: bool) -> None:
    with open_session(settings, lasting=False) as session:
        from workers.tools.grade_files import add_grade  # imported here, since torch loads slowly

        row = add_grade(session, style, picture, merchant)
    if as_json:
        print_json({"name": style.name, "merchant": merchant, "sha256": row.sha256, "kind": "grade"})
    else:
        print_line(f"{style.name}: a colour grade, ready to use")
