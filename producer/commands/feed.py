"""Commands that give a feed back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from producer.commands.batches import Merchant, configured, require_names
from producer.output.feed_export import FeedOptions, Outputs, Placing, export_catalog_feed, export_feed
from producer.output.names import BY_SKU
from producer.output.out_folder import out_path
from shared.context import open_session
from shared.errors import UsageError
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.queue import batches
from shared.terminal import JsonOption, group, note, print_json, print_line


def register(app: typer.Typer) -> None:
    """Add the commands."""
    feed = group(app, "feed", "Give a shop's feed back with the addresses of its renditions.")
    feed.command("export")(feed_export)


def feed_export(
    out: Annotated[Path, typer.Option("--out", "-o", parser=out_path, metavar="FILE", help="File of the new feed.")],
    batch: Annotated[str | None, typer.Argument(help="Id of the batch, or its first characters.")] = None,
    catalog: Annotated[
        bool, typer.Option("--catalog", help="Instead of a batch: the feed of the catalogue, with what it shows now.")
    ] = False,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Address under which you serve the renditions.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", parser=out_path, metavar="FOLDER", help="Folder to write the renditions to."),
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option("--publish", metavar="URL", help="Copy the renditions to s3://bucket/prefix or file:///folder."),
    ] = None,
    presigned: Annotated[
        int | None,
        typer.Option(
            "--presigned", min=1, max=168, metavar="HOURS", help="Instead of --base-url: signed addresses that expire."
        ),
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="Give renditions as further pictures beside the photos.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace only the first picture of each product; default: each.")
    ] = False,
    names: Annotated[
        str, typer.Option(help="Names of the renditions: sku (SKU-POSITION-style.jpg) or source (as the photos).")
    ] = BY_SKU,
    preset: Annotated[
        str | None, typer.Option(help="Preset of the batch whose files the feed names; by default its first.")
    ] = None,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Write the feed of a batch, or of the catalogue, again, with the addresses of the renditions."""
    require_names(names)
    if (batch is None) != catalog:
        raise UsageError("give the id of a batch, or --catalog for the feed of the catalogue")
    if add and replace:
        raise UsageError("--add and --replace exclude each other: choose one")
    placing = Placing.ADD if add else Placing.FIRST if replace else Placing.EACH
    options = FeedOptions(base_url, names, placing, presigned, preset)
    with open_session(configured(), lasting=False) as session:
        with scope(session.engine, merchant) as (connection, mine):
            found = None if batch is None else batches.find_batch(connection, mine, batch)
        outputs = Outputs(out, images, publish)
        if found is None:
            done = export_catalog_feed(session, mine, options, outputs)
        else:
            done = export_feed(session, found, options, outputs)
    if presigned is not None:
        note(f"warning: the addresses expire in {presigned} hours; the shop must fetch its pictures before")
    if as_json:
        print_json(asdict(done) | {"batch": None if found is None else found.id, "out": str(out)})
        return
    print_line(f"{done.replaced} addresses {'added' if add else 'replaced'} in {out} ({done.format})")
    if done.published is not None:
        print_line(f"{done.published.copied} renditions copied to {publish}, {done.published.unchanged} unchanged")
