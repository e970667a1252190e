"""Commands of the catalogue: what a merchant has, in which look, and what is shown of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from producer.catalog_import import import_catalog
from producer.commands.batches import Merchant, configured
from producer.commands.styling import PlatformOption
from producer.listing import list_s3
from producer.manifest import ManifestRow, open_manifest
from shared.catalog import actions, looks, publishing
from shared.catalog.actions import LookScope, Target
from shared.catalog.images import list_images
from shared.catalog.source_checks import find_round
from shared.context import open_session
from shared.errors import InvalidInput
from shared.look import Look, parse_mix
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.terminal import JsonOption, group, note, print_json, print_line

BAD_ROWS_SHOWN = 100

Of = Annotated[str, typer.Argument(metavar="WHAT", help="default, category=NAME, collection=NAME or sku=SKU.")]


def register(app: typer.Typer) -> None:
    """Add the commands of the catalogue."""
    catalog = group(app, "catalog", "What a merchant has, in which look, and what is shown of it.")
    catalog.command("import")(catalog_import)
    catalog.command("list")(catalog_list)
    catalog.command("checks")(catalog_checks)
    catalog.command("history")(catalog_history)
    catalog.command("publish")(catalog_publish)
    catalog.command("revert")(catalog_revert)
    look = group(catalog, "look", "In which look what is: the narrowest of sku, collection, category, default counts.")
    look.command("set")(look_set)
    look.command("list")(look_list)
    look.command("remove")(look_remove)


def catalog_import(
    inputs: Annotated[list[str], typer.Argument(help="The feed: whatever `submit` reads.")],
    merchant: Merchant = LOCAL_MERCHANT,
    partial: Annotated[
        bool, typer.Option("--partial", help="The feed is a part: what it does not name stays.")
    ] = False,
    shrink: Annotated[bool, typer.Option("--shrink", help="More than half of the catalogue may go.")] = False,
    platform: PlatformOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a catalogue up to date with a feed: new, changed, moved and removed images; styles nothing."""
    settings = configured()
    manifest = open_manifest(inputs, list_prefix=list_s3(settings), platform=platform)
    for sentence in manifest.layouts:
        note(sentence)
    bad: list[dict[str, object]] = []

    def tell(row: ManifestRow, error: InvalidInput) -> None:
        if len(bad) < BAD_ROWS_SHOWN:
            bad.append({"line": row.line, "sku": row.sku, "code": error.code, "message": str(error)})

    with open_session(settings, lasting=False) as session:
        done = import_catalog(session, merchant, manifest, tell, partial=partial, shrink=shrink)
    for sentence in manifest.notes:
        note(sentence)
    if done.unknown:
        note(f"{done.unknown} bad rows name no sku, so nothing was removed: correct them and import the feed again")
    if as_json:
        print_json(asdict(done) | {"format": manifest.format, "bad_rows": bad})
        return
    for one in bad:
        note(f"line {one['line']}: {one['sku']}: {one['message']} ({one['code']})")
    print_line(
        f"{done.rows} rows: {done.added} images added, {done.changed} changed, {done.moved} moved, {done.removed} "
        f"removed; {done.bad} rows bad, {done.doubled} doubled"
    )


def catalog_list(
    merchant: Merchant = LOCAL_MERCHANT,
    after: Annotated[int, typer.Option(help="Cursor: the id of the last image of the page before.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Images of a page.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List a page of a catalogue, with what is shown of each image."""
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
    """Say how far hosts have been asked whether their pictures are others now, and what they said."""
    now = datetime.now(UTC)
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = find_round(connection, mine, now)
    if as_json:
        print_json(asdict(found))
        return
    since = f" since {found.due_since:%Y-%m-%d %H:%M} UTC" if found.due_since else ""
    pace = "none are made" if found.days is None else f"{found.checks} a day, a round takes {found.days:.1f} days"
    state = f"{found.changed} changed, {found.gone} gone, {found.due} to be checked{since}"
    print_line(f"{found.images} images of the web: {state}")
    note(f"checks: {pace}")


def catalog_history(
    sku: Annotated[str, typer.Argument(help="The sku.")],
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Show what was shown of a sku, newest first."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = publishing.history(connection, mine, sku)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        now = "*" if one.current else " "
        print_line(f"{now} {one.made_at:%Y-%m-%d %H:%M}  {one.position}  {one.action}  {one.made_by}  {one.object_key}")


def catalog_publish(
    batch: Annotated[str, typer.Argument(help="The batch of a night, or the beginning of its id.")],
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Show what a night has made: where its schedule does not publish by itself, or after a revert."""
    with open_session(configured(), lasting=False) as session:
        moved = actions.publish_night(session.engine, operator(merchant), batch)
    _moved(moved, as_json)


def catalog_revert(
    sku: Annotated[str | None, typer.Option(help="Revert this sku.")] = None,
    position: Annotated[int | None, typer.Option(help="Of the sku only this image.")] = None,
    collection: Annotated[str | None, typer.Option(help="Revert this collection.")] = None,
    night_batch: Annotated[
        str | None, typer.Option("--batch", help="Revert what the batch of a night has made.")
    ] = None,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Show again what was shown before, at once: of an image, a collection or a night."""
    target = Target(sku, position, collection, night_batch)
    with open_session(configured(), lasting=False) as session:
        moved = actions.revert(session.engine, operator(merchant), target)
    _moved(moved, as_json)


def look_set(
    of: Of,
    style: Annotated[str, typer.Option("--style", "-s", help="A style, or a mix as in great-wave:0.3,udnie:0.7.")],
    strength: Annotated[float, typer.Option(help="0 is the photo, 1 the style in full.")] = 1.0,
    texture_scale: Annotated[float, typer.Option(help="Size of the strokes relative to the picture.")] = 1.0,
    white: Annotated[str, typer.Option(help="White backgrounds of product shots: keep or paint.")] = "keep",
    follow: Annotated[
        bool, typer.Option("--follow-model", help="Restyle when a new model version or style row is promoted.")
    ] = False,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Assign a look; a new one is proved before the night that floods the catalogue with it."""
    look = Look(parse_mix(style), strength, texture_scale, white)
    with open_session(configured(), lasting=False) as session:
        found = actions.set_look(session.engine, operator(merchant), LookScope.parse(of), look, follows_model=follow)
    if as_json:
        print_json(asdict(found) | {"look": look.to_json()})
    else:
        print_line(f"{found.name}: {look.style} ({found.state})")


def look_list(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """List a merchant's looks."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = looks.list_looks(connection, mine)
    if as_json:
        print_json([asdict(one) | {"look": one.look.to_json()} for one in found])
        return
    for one in found:
        follows = ", follows the model" if one.follows_model else ""
        print_line(f"{one.name}: {one.look.style} at {one.look.strength:g} ({one.state}{follows})")


def look_remove(of: Of, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Take a look back; the next wider scope counts."""
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
        print_line(f"{count} images show another rendition now")
