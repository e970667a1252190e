"""Commands ``run`` and ``submit``."""

from __future__ import annotations

import shlex
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from producer.bucket_listing import list_s3
from producer.commands.batches import Merchant, Names, Out, configured, require_names, warn, with_merchant
from producer.commands.proofs import tell_of_proof
from producer.commands.rehearsal import print_rehearsal
from producer.dry_run import rehearse
from producer.local_run import run_batch, wait_for_batch
from producer.manifest import open_manifest
from producer.manifest.platforms import PLATFORM_NAMES
from producer.output.out_folder import prepared_folder
from producer.output.progress import show_progress
from producer.output.summary import as_json as batch_json
from producer.output.summary import as_line, exit_status
from producer.submit import Order, Submission, submit_batch
from shared.background import CHOICES
from shared.context import open_session
from shared.look import Look, parse_looks
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.presets import DEFAULT_PRESETS, require_presets
from shared.proofs.proofs import ProofState
from shared.proofs.sample import PROOF_IMAGES
from shared.protection import Protect
from shared.queue.queues import QueueName
from shared.settings import Settings
from shared.terminal import EXIT_INTERRUPTED, JsonOption, note, print_json, print_line

Styles = Annotated[
    list[str],
    typer.Option("--style", "-s", help="Style, or a mix such as great-wave:0.3,udnie:0.7; repeat for several."),
]
Strength = Annotated[
    str,
    typer.Option(help="Strength of the style, from 0 (the photo) to 1; product and scene apart as in 0.4/1.0."),
]
Protection = Annotated[
    str,
    typer.Option(
        help="What of the product is kept: colour, product, soft or none, and +lettering with each. By default"
        " (auto) paintings keep colour+lettering, other styles nothing."
    ),
]
BackgroundOption = Annotated[
    str,
    typer.Option("--background", help=f"What stands behind the product: {CHOICES}."),
]
TextureScale = Annotated[float, typer.Option(help="Size of the strokes; 2 is twice as large.")]
White = Annotated[str, typer.Option(help="White backgrounds of product shots: keep or paint.")]
Format = Annotated[
    str | None, typer.Option("--format", help="Format of the renditions: jpeg, png or webp. By default jpeg.")
]
Presets = Annotated[
    list[str] | None,
    typer.Option(
        "--preset", help="Channel to make files for, as shopify: see `atelier presets list`. Repeat for several."
    ),
]
Inputs = Annotated[
    list[str],
    typer.Argument(help="Folders, images, patterns, ZIP archives, CSV, JSON or XML manifests, s3:// prefixes."),
]
PlatformOption = Annotated[
    str | None,
    typer.Option("--platform", help=f"Read feeds as the exports of: {', '.join(PLATFORM_NAMES)}."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (run, submit):
        app.command()(command)


def run(
    inputs: Inputs,
    style: Styles,
    out: Out = Path("atelier-out"),
    merchant: Merchant = LOCAL_MERCHANT,
    strength: Strength = "1",
    texture_scale: TextureScale = 1.0,
    white: White = "keep",
    protect: Protection = Protect.AUTO,
    background: BackgroundOption = "keep",
    format: Format = None,
    preset: Presets = None,
    platform: PlatformOption = None,
    names: Names = None,
    as_json: JsonOption = False,
) -> None:
    """Style images on this machine, into a folder with a gallery."""
    require_names(names)
    settings, presets = configured(), _presets(preset, format)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    looks = parse_looks(style, strength, texture_scale, white, protect, background)
    order = _order(settings, inputs, merchant, looks, presets, platform)
    with prepared_folder(out, inputs), open_session(settings, lasting=False) as session:
        try:
            with show_progress(quiet=as_json) as show:
                batch, gallery = run_batch(
                    session, order, out, show, announce=partial(_announce_quietly, merchant), names=names
                )
        except KeyboardInterrupt:
            note(f"interrupted; finished images are kept. To continue: {shlex.join(['atelier', *sys.argv[1:]])}")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(batch_json(batch) | {"out": str(out), "gallery": str(gallery)})
    else:
        print_line(as_line(batch))
        if batch.failed:
            print_line(f"failed images: {out / 'errors.csv'}")
        print_line(f"gallery: {gallery.resolve()}")
    raise typer.Exit(exit_status(batch))


def submit(
    inputs: Inputs,
    style: Styles,
    merchant: Merchant = LOCAL_MERCHANT,
    strength: Strength = "1",
    texture_scale: TextureScale = 1.0,
    white: White = "keep",
    protect: Protection = Protect.AUTO,
    background: BackgroundOption = "keep",
    format: Format = None,
    preset: Presets = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the manifest and queue nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the batch has finished; Ctrl-C detaches.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Style a few images ahead of all other work.")] = False,
    proof: Annotated[
        bool, typer.Option("--proof", help="Style a sample of 24 skus first, and wait for your approval.")
    ] = False,
    platform: PlatformOption = None,
    as_json: JsonOption = False,
) -> None:
    """Queue images for styling by workers, and print the batch's id."""
    settings, presets = configured(), _presets(preset, format)
    looks = parse_looks(style, strength, texture_scale, white, protect, background)
    order = _order(settings, inputs, merchant, looks, presets, platform)
    order = replace(order, queue=QueueName.PREVIEW if preview else order.queue, proof=proof)
    with open_session(settings, lasting=not dry_run) as session:
        if dry_run:
            print_rehearsal(rehearse(session, order), as_json=as_json)
        with show_progress(quiet=as_json) as show:
            submission = submit_batch(session, order, accepted=show)
        batch = submission.batch
        _announce(submission, merchant, asked=proof, as_json=as_json)
        if wait:
            try:
                with show_progress(quiet=as_json) as show:
                    batch = wait_for_batch(session, batch, show, tell=note)
            except KeyboardInterrupt:
                watch = with_merchant(f"atelier status {batch.id}", merchant)
                note(f"detached; the batch continues. Watch it with: {watch}")
                raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(batch_json(batch))
    elif wait:
        note(as_line(batch))
    raise typer.Exit(exit_status(batch) if wait else 0)


def _presets(presets: list[str] | None, format: str | None) -> tuple[str, ...]:
    """Return the presets, after a plain format if one is named; without either, JPEG files."""
    named = (*(() if format is None else (format,)), *(presets or ()))
    return named or DEFAULT_PRESETS


def _order(
    settings: Settings,
    inputs: list[str],
    merchant: str,
    looks: tuple[Look, ...],
    presets: tuple[str, ...],
    platform: str | None,
) -> Order:
    require_presets(presets)
    manifest = open_manifest(inputs, list_prefix=list_s3(settings), platform=platform)
    for sentence in manifest.layouts:
        note(sentence)
    return Order(merchant, manifest, looks, presets)


def _announce(submission: Submission, merchant: str, *, asked: bool, as_json: bool) -> None:
    _announce_quietly(merchant, submission, asked=asked)
    if not as_json:
        batch = submission.batch
        print_line(str(batch.id))
        status = with_merchant("atelier status", merchant)
        note(f"images accepted: {batch.total}; `atelier worker` styles them, `{status}` shows them")
        if batch.failed:
            failures = with_merchant(f"atelier failures {batch.id}", merchant)
            note(f"{batch.failed} of them have failed already; the reasons: {failures}")


def _announce_quietly(merchant: str, submission: Submission, *, asked: bool = False) -> None:
    if submission.resumed:
        note(f"continuing batch {submission.batch.id}")
    if submission.proof is not None and submission.proof.state == ProofState.WAITING:
        tell_of_proof(submission.proof, merchant)
    elif asked and submission.proof is None:
        note(f"a batch of up to {PROOF_IMAGES} images needs no sample: it is styled at once")
    warn(submission.warnings)
