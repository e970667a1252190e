"""Commands of the producer: thin, over the plain functions of this package."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from producer.export import export_batch, prepare_folder
from producer.manifest import open_manifest
from producer.pages import row_looks
from producer.progress import show_progress
from producer.run import run_batch, wait_for_batch
from producer.submit import Order, Submission, nudge, submit_batch
from producer.summary import as_json as batch_json
from producer.summary import as_line, exit_status
from shared import audit, batches, chunks
from shared.batches import Batch
from shared.cli import EXIT_INTERRUPTED, STYLES_HELP, JsonOption, group, note, print_json, print_line
from shared.errors import InvalidInput, UsageError
from shared.logs import configure_logs
from shared.look import Look, parse_mix
from shared.merchants import LOCAL_MERCHANT, allowed_sources, require_allowed
from shared.model_versions import champion
from shared.scope import scope
from shared.session import Session, open_session
from shared.settings import Settings, load_settings
from shared.store import open_store
from shared.styles import list_styles, require_styles, style_rows

FORMATS = ("jpeg", "png", "webp")

Merchant = Annotated[str, typer.Option("--merchant", "-m", help="Whose batch it is.")]
Styles = Annotated[
    list[str],
    typer.Option("--style", "-s", help="A style, or a mix as in great-wave:0.3,udnie:0.7; repeat for several."),
]
Strength = Annotated[float, typer.Option(help="0 is the photo, 1 the style in full.")]
TextureScale = Annotated[float, typer.Option(help="Size of the strokes relative to the picture: 2 is twice as large.")]
White = Annotated[str, typer.Option(help="White backgrounds of product shots: keep or paint.")]
Format = Annotated[str, typer.Option("--format", help="Format of the renditions: jpeg, png or webp.")]
BatchId = Annotated[str, typer.Argument(help="A batch's id, or the beginning of it.")]
Inputs = Annotated[
    list[str],
    typer.Argument(help="Folders, images, patterns, ZIP archives, CSV, JSON or XML manifests, s3:// prefixes."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this package."""
    for command in (run, submit, status, cancel, pause, resume, retry, download):
        app.command()(command)
    group(app, "styles", STYLES_HELP).command("list")(styles_list)


def run(
    inputs: Inputs,
    style: Styles,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the renditions.")] = Path("atelier-out"),
    merchant: Merchant = LOCAL_MERCHANT,
    strength: Strength = 1.0,
    texture_scale: TextureScale = 1.0,
    white: White = "keep",
    format: Format = "jpeg",
    as_json: JsonOption = False,
) -> None:
    """Style images on this machine, from start to end, into a folder with a gallery."""
    settings = _settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    prepare_folder(out, tuple(inputs))
    order = _order(settings, inputs, merchant, _looks(style, strength, texture_scale, white), format)
    with open_session(settings, lasting=False) as session:
        try:
            with show_progress(quiet=as_json) as show:
                batch, gallery = run_batch(session, order, out, show, announce=_announce_quietly)
        except KeyboardInterrupt:
            note(f"interrupted; what is done is kept. To go on: {shlex.join(['atelier', *sys.argv[1:]])}")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(batch_json(batch) | {"out": str(out), "gallery": str(gallery)})
    else:
        print_line(as_line(batch))
        if batch.failed:
            print_line(f"what failed and why: {out / 'errors.csv'}")
        print_line(f"gallery: {gallery.resolve()}")
    raise typer.Exit(exit_status(batch))


def submit(
    inputs: Inputs,
    style: Styles,
    merchant: Merchant = LOCAL_MERCHANT,
    strength: Strength = 1.0,
    texture_scale: TextureScale = 1.0,
    white: White = "keep",
    format: Format = "jpeg",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the manifest and enqueue nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the batch; Ctrl-C detaches.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="A few images, ahead of all bulk work.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check and enqueue images; print the batch's id."""
    settings = _settings()
    order = _order(settings, inputs, merchant, _looks(style, strength, texture_scale, white), format)
    if preview:
        order = replace(order, queue="preview")
    with open_session(settings, lasting=not dry_run) as session:
        if dry_run:
            return _dry_run(session, order, as_json)
        with show_progress(quiet=as_json) as show:
            submission = submit_batch(session, order, accepted=show)
        batch = submission.batch
        _announce(submission, as_json=as_json)
        if wait:
            try:
                with show_progress(quiet=as_json) as show:
                    batch = wait_for_batch(session, batch, show)
            except KeyboardInterrupt:
                note(f"detached; the batch goes on. To look: atelier status {batch.id}")
                raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(batch_json(batch))
    elif wait:
        note(as_line(batch))
    raise typer.Exit(exit_status(batch) if wait else 0)


def status(
    batch: Annotated[str | None, typer.Argument(help="A batch's id, or the beginning of it.")] = None,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Show a batch, or the newest ones. Exits 4 if the batch finished with failed images."""
    with open_session(_settings(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        if batch is None:
            found = batches.list_batches(connection, mine, limit=20)
        else:
            found = [batches.find_batch(connection, mine, batch)]
    if as_json:
        documents = [batch_json(one) for one in found]
        print_json(documents if batch is None else documents[0])
    else:
        for one in found:
            print_line(f"{one.id}  {_state(one):<9}  {as_line(one)}  {one.name}")
        if not found:
            note("no batch yet: `atelier submit` or `atelier run` makes one")
    raise typer.Exit(exit_status(found[0]) if batch is not None else 0)


def cancel(batch: BatchId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Cancel a batch; finished images stay."""
    with open_session(_settings(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = batches.find_batch(connection, mine, batch)
        chunks.cancel_batch(connection, found.id)
        _record(connection, found, "cancel")
        found = batches.get_batch(connection, found.id)
    _show(found, as_json=as_json)


def pause(batch: BatchId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Let a batch rest; chunks in hand are finished."""
    with open_session(_settings(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = batches.find_batch(connection, mine, batch)
        found = batches.set_paused(connection, found, paused=True)
        _record(connection, found, "pause")
        chunks.withdraw_paused(connection)
    _show(found, as_json=as_json)


def resume(batch: BatchId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Let a paused batch go on."""
    with open_session(_settings(), lasting=False) as session:
        with scope(session.engine, merchant) as (connection, mine):
            found = batches.find_batch(connection, mine, batch)
            found = batches.set_paused(connection, found, paused=False)
            _record(connection, found, "resume")
        _warn(nudge(session))
    _show(found, as_json=as_json)


def retry(batch: BatchId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Try the failed images of a batch again."""
    with open_session(_settings()) as session:
        with scope(session.engine, merchant) as (connection, mine):
            found = batches.find_batch(connection, mine, batch)
            requeued = chunks.retry_batch(connection, found)
            _record(connection, found, "retry", images=requeued)
            found = batches.get_batch(connection, found.id)
        _warn(nudge(session))
    note(f"{requeued} images are tried again")
    _show(found, as_json=as_json)


def download(
    batch: BatchId,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the renditions.")],
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Write what is done of a batch to a folder, with results, errors and gallery."""
    prepare_folder(out)
    with open_session(_settings(), lasting=False) as session:
        with scope(session.engine, merchant) as (connection, mine):
            found = batches.find_batch(connection, mine, batch)
        gallery = export_batch(session, found, out)
    if as_json:
        print_json(batch_json(found) | {"out": str(out), "gallery": str(gallery)})
    else:
        print_line(f"gallery: {gallery.resolve()}")
    raise typer.Exit(exit_status(found))


def styles_list(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """List the styles a merchant may use."""
    with open_session(_settings(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = list_styles(connection, mine, champion(connection).trunk_sha256)
    if as_json:
        print_json([style.__dict__ for style in found])
    else:
        width = max((len(style.name) for style in found), default=0)
        for style in found:
            print_line(f"{style.name:<{width}}  {style.title}, {style.artist}, {style.year}")


def _record(connection: Connection, batch: Batch, what: str, **details: int) -> None:
    audit.record(connection, audit.operator(), what, batch.merchant_id, {"batch": batch.id, **details})


def _settings() -> Settings:
    settings = load_settings()
    configure_logs(settings.log_level)
    return settings


def _looks(styles: list[str], strength: float, texture_scale: float, white: str) -> tuple[Look, ...]:
    looks = tuple(Look(parse_mix(style), strength, texture_scale, white) for style in styles)
    return tuple(dict.fromkeys(looks))


def _order(settings: Settings, inputs: list[str], merchant: str, looks: tuple[Look, ...], format: str) -> Order:
    if format not in FORMATS:
        raise UsageError(f"format {format!r} is unknown: choose {', '.join(FORMATS)}")
    manifest = open_manifest(inputs, list_prefix=_lister(settings))
    for sentence in manifest.notes:
        note(sentence)
    return Order(merchant, manifest, looks, (format,))


def _lister(settings: Settings) -> Callable[[str], Iterator[str]]:
    def list_prefix(url: str) -> Iterator[str]:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        store = open_store(f"s3://{bucket}", settings.store_options)
        return (f"s3://{bucket}/{found.key}" for found in store.list(prefix))

    return list_prefix


def _dry_run(session: Session, order: Order, as_json: bool) -> None:
    """Read the whole manifest and say what would be done."""
    with scope(session.engine, order.merchant) as (connection, mine):
        known = style_rows(connection, mine, champion(connection).trunk_sha256)
        allowed = allowed_sources(connection, mine)
    require_styles((name for look in order.looks for name in look.styles), known)
    looks = row_looks(order.looks, known)
    rows, images, bad = 0, 0, []
    for row in order.manifest.rows():
        rows += 1
        try:
            if row.error is not None:
                raise row.error
            require_allowed(row.source, allowed)
            images += len(looks(row.style, row.strength))
        except InvalidInput as error:
            bad.append({"line": row.line, "sku": row.sku, "code": error.code, "message": str(error)})
    if as_json:
        print_json({"rows": rows, "images": images, "bad_rows": bad})
        return
    for one in bad:
        print_line(f"line {one['line']}: {one['sku']}: {one['message']} ({one['code']})")
    print_line(f"{rows} rows, {len(bad)} bad; {images} images would be styled")


def _announce(submission: Submission, *, as_json: bool) -> None:
    _announce_quietly(submission)
    if not as_json:
        print_line(str(submission.batch.id))
        note(f"{submission.batch.total} images accepted; `atelier worker` styles them, `atelier status` looks")


def _announce_quietly(submission: Submission) -> None:
    if submission.resumed:
        note(f"going on with batch {submission.batch.id}")
    _warn(submission.warnings)


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        note(f"warning: {warning}")


def _state(batch: Batch) -> str:
    if batch.state == "running" and batch.paused:
        return "paused"
    return batch.state if batch.intake == "sealed" else batch.intake


def _show(batch: Batch, *, as_json: bool) -> None:
    if as_json:
        print_json(batch_json(batch))
    else:
        print_line(f"{batch.id}  {_state(batch)}  {as_line(batch)}")
