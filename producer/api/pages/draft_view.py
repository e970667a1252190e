"""Gather what the page of a draft shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from producer.api.access import Caller
from producer.api.pages.style_pictures import picture_address
from producer.api.problems import problem_of
from producer.api.submissions import ManifestOptions, order_of_uploads
from producer.dry_run import rehearse
from producer.manifest.corrected import CORRECTABLE
from producer.pages.upload import BadRowView, CheckView, ChosenLook, DraftView, StyleChoice, Trouble
from shared.errors import AtelierError
from shared.merchants.backgrounds import background_names
from shared.merchants.presets import known_presets
from shared.models.styles import Style, list_styles
from shared.models.versions import champion
from shared.presets import EXTENSIONS
from shared.uploads.uploads import Upload, UploadState

BAD_ROWS_SHOWN = 20


def draft_view(
    asking: Caller,
    draft: UUID,
    files: Sequence[Upload],
    look: ChosenLook,
    options_of: Callable[[ChosenLook], ManifestOptions],
) -> DraftView:
    """Return what the page shows: files, styles, and what a batch of them in this look would do."""
    with asking.transaction() as connection:
        styles = list_styles(connection, asking.merchant_id, champion(connection).trunk_sha256)
        presets = known_presets(connection, asking.merchant_id)
        pictures = sorted(background_names(connection, asking.merchant_id))
    plain = ChosenLook(styles=[styles[0].name])
    check, trouble = None, None
    if complete := [upload.id for upload in files if upload.state == UploadState.COMPLETE]:
        try:
            check = _check(asking, complete, options_of(look if look.styles else plain), look)
        except AtelierError as error:
            check, trouble = _check_plainly(asking, complete, options_of(plain), error)
    return DraftView(
        draft=draft,
        files=files,
        look=look,
        styles=[_choice(style) for style in styles],
        presets=[(name, name) for name in EXTENSIONS] + [(one.name, one.title or one.name) for one in presets.values()],
        pictures=pictures,
        check=check,
        trouble=trouble,
    )


def _choice(style: Style) -> StyleChoice:
    return StyleChoice(style.name, style.title, style.artist, style.year, picture_address(style.name))


def field_of(error: AtelierError) -> str:
    """Return the field of the look that an error concerns; empty for the form as a whole."""
    return {
        "unknown_style": "styles",
        "bad_scale": "texture_scale",
        "bad_share": "share",
        "unknown_background": "background",
        "unknown_preset": "presets",
        "needs_transparency": "background",
    }.get(error.code, "")


def _check_plainly(
    asking: Caller, ids: Sequence[UUID], plain: ManifestOptions, error: AtelierError
) -> tuple[CheckView | None, Trouble]:
    """Check the files in a plain look, after an error: so it shows whether the look or the files are wrong."""
    found = problem_of(error)
    try:
        return _check(asking, ids, plain, ChosenLook()), Trouble(found.detail, found.code, field_of(error))
    except AtelierError as of_files:
        found = problem_of(of_files)
        return None, Trouble(found.detail, found.code, "files")


def _check(asking: Caller, ids: Sequence[UUID], options: ManifestOptions, look: ChosenLook) -> CheckView:
    """Return what a batch of uploads would do. Raises what submitting it would raise."""
    with order_of_uploads(asking, options, ids, None, dict(look.corrections)) as order:
        found = rehearse(asking.session, order)
    rows = [
        BadRowView(row.line, row.sku, row.message, row.code in CORRECTABLE) for row in found.bad_rows[:BAD_ROWS_SHOWN]
    ]
    return CheckView(
        format=found.format,
        rows=found.rows,
        products=found.products,
        images=found.images,
        repeated=found.repeated,
        bad=found.bad,
        bad_rows=rows,
        warnings=found.warnings,
        seconds=found.seconds,
        cost=found.cost,
        sample=found.sample,
    )
