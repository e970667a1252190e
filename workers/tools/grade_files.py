"""Add colour grades: from a reference picture, or from a ``.cube`` file of a grading program."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from shared.context import Session
from shared.errors import UsageError
from shared.merchants.actors import Actor
from shared.models.styles import Style, StyleRow, check_style_name
from shared.models.versions import install_definition
from workers.images.decode import decode
from workers.images.grading.cube_file import MAX_CUBE_BYTES, table_from_cube
from workers.images.grading.reference import grade_from_picture
from workers.images.limits import Limits
from workers.images.procedural.definition import effect_from_bytes

CUBE_SUFFIX = ".cube"


def add_grade(session: Session, actor: Actor, style: Style, picture: Path) -> StyleRow:
    """Store the grade of a reference picture as a style: the actor's merchant's own, or public without one.

    Raises Conflict if the name is taken, UsageError or ImageError if the picture cannot be read.
    """
    settings = session.settings
    photo = decode(_read(picture), Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6)))
    return _install(session, actor, style, {"kind": "grade"} | asdict(grade_from_picture(photo.rgb)), "styles add")


def import_cube(session: Session, actor: Actor, file: Path, style: Style) -> StyleRow:
    """Store the table of a ``.cube`` file as a style. Raises BadStyle, Conflict, UsageError."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_CUBE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    return _install(session, actor, style, {"kind": "colour-table"} | asdict(table_from_cube(data)), "styles import")


def _install(session: Session, actor: Actor, style: Style, definition: dict[str, object], what: str) -> StyleRow:
    data = json.dumps(definition, sort_keys=True).encode()
    effect_from_bytes(data)
    check_style_name(style.name)
    return install_definition(session.engine, session.store, actor, style, data, what=what)


def _read(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise UsageError(f"{picture} cannot be read: {error.strerror}") from error
