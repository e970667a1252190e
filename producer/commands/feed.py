"""Commands that give a feed back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from producer.commands.batches import BatchId, Merchant, configured
from producer.output.feed_export import FeedNaming, export_feed
from producer.output.out_folder import out_path
from producer.output.picture_links import BY_SKU, NAMES
from shared.context import open_session
from shared.errors import UsageError
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.queue import batches
from shared.terminal import JsonOption, group, print_json, print_line


def register(app: typer.Typer) -> None:
    """Add the commands."""
    feed = group(app, "feed", "Give a shop's feed back with the addresses of its renditions.")
    feed.command("export")(feed_export)


def feed_export(
    batch: BatchId,
    base_url: Annotated[str, typer.Option("--base-url", help="Address under which you serve the renditions.")],
    out: Annotated[Path, typer.Option("--out", "-o", parser=out_path, metavar="FILE", help="File of the new feed.")],
    images: Annotated[
        Path | None,
        typer.Option("--images", parser=out_path, metavar="FOLDER", help="Folder to write the renditions to."),
    ] = None,
    names: Annotated[
        str, typer.Option(help="Names of the renditions: sku (SKU-POSITION-style.jpg) or source (as `download`).")
    ] = BY_SKU,
    preset: Annotated[
        str | None, typer.Option(help="Preset of the batch whose files the feed names; by default its first.")
    ] = None,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Write the feed of a batch again, with the addresses of the pictures that succeeded."""
    if names not in NAMES:
        raise UsageError(f"names {names!r} are unknown: choose {' or '.join(NAMES)}")
    with open_session(configured(), lasting=False) as session:
        with scope(session.engine, merchant) as (connection, mine):
            found = batches.find_batch(connection, mine, batch)
        done = export_feed(session, found, base_url, out, images=images, naming=FeedNaming(names, preset))
    if as_json:
        print_json(asdict(done) | {"batch": found.id, "out": str(out)})
    else:
        print_line(f"{done.replaced} addresses replaced in {out} ({done.format})")
