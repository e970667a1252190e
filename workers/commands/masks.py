"""Commands about product masks: ``mask``, ``train-mask``, ``evaluate-mask``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.errors import exit_code
from shared.logs import configure_logs
from shared.settings import load_settings
from shared.terminal import JsonOption, note, print_json, print_line

EXIT_FAILED_IMAGES = 4

Products = Annotated[
    list[Path],
    typer.Option(help="Folder of products: cut-outs, photos on a plain ground, or with NAME.mask.png; repeatable."),
]
Scenes = Annotated[list[Path], typer.Option(help="Folder of scenes to lay products on; repeat for several.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("mask")(mask_command)
    app.command("train-mask")(train_mask_command)
    app.command("evaluate-mask")(evaluate_mask_command)


def mask_command(
    photo: Annotated[Path, typer.Argument(help="The photo, or a folder of photos.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="PNG file to write; for a folder of photos, a folder of masks.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Write the product mask of a photo: white is the product, black the ground."""
    from workers.tools.mask_files import write_masks  # imported here, since torch loads slowly

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    folder, made = photo.is_dir(), []
    for mask in write_masks(photo, out, settings):
        if mask.error is not None and not folder:
            note(f"{mask.photo}: {mask.error}")
            raise typer.Exit(exit_code(mask.error))
        if mask.error is not None:
            note(f"{mask.photo}: {mask.error}")
        elif not as_json:
            print_line(f"{mask.out}: {mask.origin}, confidence {mask.confidence:.2f}")
        made.append(mask)
    if as_json:
        print_json([mask.as_json() for mask in made] if folder else made[0].as_json())
    if any(mask.error for mask in made):
        raise typer.Exit(EXIT_FAILED_IMAGES)


def train_mask_command(
    products: Products,
    scenes: Scenes,
    out: Annotated[Path, typer.Option(help="Folder for the run's state, log and network.safetensors.")],
    trunk: Annotated[
        Path | None,
        typer.Option(help="MobileNetV2 trained on ImageNet, a safetensors file with torchvision's names."),
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Network to start from, in place of a trunk: network.safetensors.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Training config, a JSON file; built in by default.")] = None,
    minutes: Annotated[float, typer.Option(help="Pause after this many minutes; the same command continues.")] = 1e9,
    as_json: JsonOption = False,
) -> None:
    """Train the segmentation network from folders of pictures. The same command resumes an interrupted run."""
    from workers.tools.mask_training import (  # imported here, since torch loads slowly
        MaskTrainingFiles,
        train_masks_from_files,
    )

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    files = MaskTrainingFiles(products, scenes, trunk, start, config, out)
    step, steps, finished = train_masks_from_files(files, 60 * minutes, note)
    if as_json:
        print_json({"step": step, "steps": steps, "finished": finished, "network": str(out / "network.safetensors")})
    elif finished:
        print_line(f"network: {out / 'network.safetensors'}")
    else:
        print_line(f"paused at step {step} of {steps}: the same command continues")


def evaluate_mask_command(
    products: Products,
    scenes: Scenes,
    network: Annotated[Path | None, typer.Option(help="Network to measure; the built-in one by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json and a sheet of the pictures.")] = None,
    side: Annotated[str, typer.Option(help="Side of the split: test or validation.")] = "test",
    held_out: Annotated[
        list[str] | None, typer.Option(help="Beginning of the names of products kept out of the training; repeatable.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, max=10_000, help="Number of composed pictures.")] = 80,
    as_json: JsonOption = False,
) -> None:
    """Measure product masks on held-out products over held-out scenes: IoU, boundary F, confidence, time."""
    from workers.tools.mask_evaluation import (  # imported here, since torch loads slowly
        MaskEvaluationFiles,
        evaluate_masks,
        mask_table,
    )

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    files = MaskEvaluationFiles(products, scenes, network, out, side, tuple(held_out or ()))
    figures = evaluate_masks(files, pictures, note)
    if as_json:
        print_json(figures)
        return
    for line in mask_table(figures):
        print_line(line)
