"""Commands of the catalogue: images, their looks, and the renditions that are shown."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import Annotated

import typer

from producer.bucket_listing import list_s3
from producer.catalog_import import import_catalog
from producer.commands.batches import Merchant, configured
from producer.commands.moments import AsOf, Until
from producer.commands.styling import BackgroundOption, PlatformOption, Protection, Strength
from producer.manifest import ManifestRow, open_manifest
from shared.catalog import actions, looks, publishing
from shared.catalog.actions import LookScope, RevertTarget
from shared.catalog.images import list_images
from shared.catalog.looks import CatalogLook
from shared.catalog.source_checks import find_round
from shared.context import open_session
from shared.database import database_time
from shared.errors import InvalidInput, UsageError
from shared.look import parse_looks
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.protection import Protect
from shared.terminal import JsonOption, group, note, print_json, print_line

BAD_ROWS_SHOWN = 100

Of = Annotated[str, typer.Argument(metavar="WHAT", help="default, category=NAME, collection=NAME or sku=SKU.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    catalog = group(app, "catalog", "A merchant's images, their looks, and the renditions that are shown.")
    catalog.command("import")(catalog_import)
    catalog.command("list")(catalog_list)
    catalog.command("checks")(catalog_checks)
    catalog.command("history")(catalog_history)
    catalog.command("publish")(catalog_publish)
    catalog.command("revert")(catalog_revert)
    look = group(catalog, "look", "Looks of images: the narrowest of sku, collection, category and default applies.")
    look.command("set")(look_set)
    look.command("list")(look_list)
    look.command("remove")(look_remove)


def catalog_import(
    inputs: Annotated[list[str], typer.Argument(help="Feed in any format that `submit` reads.")],
    merchant: Merchant = LOCAL_MERCHANT,
    partial: Annotated[bool, typer.Option("--partial", help="Keep images that the feed does not name.")] = False,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="Allow the feed to remove more than half of the catalogue.")
    ] = False,
    platform: PlatformOption = None,
    as_json: JsonOption = False,
) -> None:
    """Update a catalogue from a feed: added, changed, moved and removed images. Nothing is styled."""
    settings = configured()
    manifest = open_manifest(inputs, list_prefix=list_s3(settings), platform=platform)
    for sentence in manifest.layouts:
        note(sentence)
    bad: list[dict[str, object]] = []

    def tell(row: ManifestRow, error: InvalidInput) -> None:
        if len(bad) < BAD_ROWS_SHOWN:
            bad.append({"line": row.line, "sku": row.sku, "code": error.code, "message": str(error)})

    with open_session(settings, lasting=False) as session:
        done = import_catalog(session, operator(merchant), manifest, tell, partial=partial, shrink=shrink)
    for sentence in manifest.notes:
        note(sentence)
    if done.unknown:
        note(f"{done.unknown} bad rows name no sku, so nothing was removed: correct them and import the feed again")
    if as_json:
        print_json(asdict(done) | {"format": manifest.format, "warnings": manifest.notes, "bad_rows": bad})
        return
    for one in bad:
        note(f"line {one['line']}: {one['sku']}: {one['message']} ({one['code']})")
    print_line(
        f"{done.rows} rows: {done.added} images added, {done.changed} changed, {done.moved} moved, {done.removed} "
        f"removed; {done.bad} rows bad, {done.doubled} doubled"
    )
    if done.readdressed:
        note(f"{done.readdressed} images have an address that is new only after its ?: their hosts are asked first")


def catalog_list(
    merchant: Merchant = LOCAL_MERCHANT,
    after: Annotated[int, typer.Option(help="Id of the last image of the previous page.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Largest number of images.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List a catalogue, with the rendition that is shown of each image."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = list_images(connection, mine, after=after, limit=limit)
    cursor = found[-1].id if len(found) == limit else None
    if as_json:
        print_json({"images": [asdict(one) for one in found], "after": cursor})
        return
    for one in found:
        state = one.refused or ("gone" if one.gone_at else "styled" if one.styled else "stale")
        print_line(
            f"{one.id}  {one.sku}  {one.position}  {state}  {one.look_scope or 'no look'}  {one.object_key or '-'}"
        )
    if cursor:
        note(f"more: --after {cursor}")


def catalog_checks(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Show the progress of source checks: which web images have changed or disappeared."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = find_round(connection, mine, database_time(connection))
    if as_json:
        print_json(asdict(found))
        return
    since = f" since {found.due_since:%Y-%m-%d %H:%M} UTC" if found.due_since else ""
    pace = "none are planned" if found.days is None else f"{found.checks} a day, a round takes {found.days:.1f} days"
    state = f"{found.changed} changed, {found.gone} gone, {found.due} waiting for a check{since}"
    print_line(f"{found.images} images of the web: {state}")
    note(f"source checks: {pace}")


def catalog_history(
    sku: Annotated[str, typer.Argument(help="The sku.")],
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Show the renditions that were shown of a sku, newest first."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = publishing.history(connection, mine, sku)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        now = "*" if one.current else " "
        shown = one.object_key or "the photo itself"
        print_line(f"{now} {one.made_at:%Y-%m-%d %H:%M}  {one.position}  {one.action}  {one.made_by}  {shown}")


def catalog_publish(
    batch: Annotated[str, typer.Argument(help="Id of a night's batch, or its first characters.")],
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Publish a night's renditions, if its schedule does not do so, or after a revert."""
    with open_session(configured(), lasting=False) as session:
        moved = actions.publish_night(session.engine, operator(merchant), batch)
    _moved(moved, as_json)


def catalog_revert(
    sku: Annotated[str | None, typer.Option(help="Revert this sku.")] = None,
    position: Annotated[int | None, typer.Option(help="Revert only the sku's image at this position.")] = None,
    collection: Annotated[str | None, typer.Option(help="Revert this collection.")] = None,
    night_batch: Annotated[
        str | None, typer.Option("--batch", help="Revert the renditions of this night's batch.")
    ] = None,
    as_of: AsOf = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --as-of: count, and change nothing.")] = False,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Show earlier renditions again: of a sku, a collection or a night, or of the whole catalogue as of a time."""
    if as_of is None:
        if dry_run:
            raise UsageError("--dry-run goes with --as-of")
        target = RevertTarget(sku, position, collection, night_batch)
        with open_session(configured(), lasting=False) as session:
            moved = actions.revert(session.engine, operator(merchant), target)
        _moved(moved, as_json)
        return
    if (sku, position, collection, night_batch) != (None, None, None, None):
        raise UsageError("--as-of is for the whole catalogue: leave out --sku, --position, --collection and --batch")
    with open_session(configured(), lasting=False) as session:
        back = actions.revert_as_of(session.engine, operator(merchant), as_of, dry_run=dry_run)
    if as_json:
        print_json(asdict(back) | {"dry_run": dry_run})
        return
    print_line(
        f"{back.moved} images {'would show' if dry_run else 'now show'} what they showed at"
        f" {as_of:%Y-%m-%d %H:%M} UTC, {back.photos} of them the photo itself"
    )
    if back.unknown:
        note(f"{back.unknown} images stay: what they showed then has been pruned")


def look_set(
    of: Of,
    style: Annotated[str, typer.Option("--style", "-s", help="Style, or a mix such as great-wave:0.3,udnie:0.7.")],
    strength: Strength = "1",
    texture_scale: Annotated[float, typer.Option(help="Size of the strokes relative to the picture.")] = 1.0,
    white: Annotated[str, typer.Option(help="White backgrounds of product shots: keep or paint.")] = "keep",
    protect: Protection = Protect.AUTO,
    background: BackgroundOption = "keep",
    follow: Annotated[
        bool, typer.Option("--follow-model", help="Restyle when a model version or style is renewed.")
    ] = False,
    until: Until = None,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Assign a look to images. A sample of a new look needs approval before it is used throughout the catalogue."""
    (look,) = parse_looks([style], strength, texture_scale, white, protect, background)
    with open_session(configured(), lasting=False) as session:
        found = actions.set_look(
            session.engine,
            operator(merchant),
            LookScope.parse(of),
            look,
            follows_model=follow,
            until=until,
        )
    if as_json:
        print_json(asdict(found) | {"look": found.look.to_json()})
    else:
        print_line(f"{found.name}: {found.look.style}, protect {found.look.protection} ({found.state}{_end(found)})")


def look_list(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """List a merchant's looks."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = looks.list_looks(connection, mine)
    if as_json:
        print_json([asdict(one) | {"look": one.look.to_json()} for one in found])
        return
    for one in found:
        follows = ", follows the model" if one.follows_model else ""
        look = f"{one.look.style} at {one.look.strengths}, protect {one.look.protection}"
        print_line(f"{one.name}: {look} ({one.state}{follows}{_end(one)})")


def _end(look: CatalogLook) -> str:
    return f", until {look.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if look.ends_at else ""


def look_remove(of: Of, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Remove a look. The next wider scope applies."""
    with open_session(configured(), lasting=False) as session:
        actions.remove_look(session.engine, operator(merchant), LookScope.parse(of))
    if as_json:
        print_json({"removed": of})
    else:
        note("removed")


def _moved(count: int, as_json: bool) -> None:
    if as_json:
        print_json({"moved": count})
    else:
        print_line(f"{count} images now show another rendition")
