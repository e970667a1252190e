"""Commands ``backgrounds``: pictures that stand behind a merchant's products."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from producer.background_file import verified_size
from producer.commands.batches import Merchant, configured
from shared.context import open_session
from shared.errors import ImageTooLarge, UsageError
from shared.merchants import background_actions
from shared.merchants.actors import operator
from shared.merchants.backgrounds import list_backgrounds
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.terminal import JsonOption, group, print_json, print_line

Name = Annotated[str, typer.Argument(help="Name of the picture, as in --background picture:NAME.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    backgrounds = group(app, "backgrounds", "Pictures that stand behind products.")
    backgrounds.command("add")(backgrounds_add)
    backgrounds.command("list")(backgrounds_list)
    backgrounds.command("remove")(backgrounds_remove)


def backgrounds_add(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The picture, at least 400 pixels wide and high.")],
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Add a background picture, or give a name to another one. Looks accepted before keep the earlier picture."""
    settings = configured()
    limit = settings.max_image_mib * 2**20
    try:
        with file.open("rb") as opened:
            data = opened.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise ImageTooLarge(f"{file} has more than {settings.max_image_mib} MiB")
    size = verified_size(data, max_megapixels=settings.max_megapixels)
    with open_session(settings, lasting=False) as session:
        added = background_actions.add_background(session.engine, session.store, operator(merchant), name, data, size)
    if as_json:
        print_json({"name": name, "merchant": merchant, "sha256": added.sha256, "width": size[0], "height": size[1]})
    else:
        print_line(f"{name}: use it with --background picture:{name}")


def backgrounds_list(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """List a merchant's background pictures."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        pictures = list_backgrounds(connection, mine)
    if as_json:
        print_json([picture.__dict__ | {"added_at": str(picture.added_at)} for picture in pictures])
        return
    for picture in pictures:
        print_line(f"{picture.name}: {picture.width} × {picture.height}")


def backgrounds_remove(name: Name, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Remove a background picture. Images that still wait for it will fail once its file is swept away."""
    with open_session(configured(), lasting=False) as session:
        background_actions.remove_background(session.engine, operator(merchant), name)
    if as_json:
        print_json({"name": name, "merchant": merchant, "removed": True})
    else:
        print_line(f"{name}: removed")
