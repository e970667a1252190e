"""Routes of the page that takes files, shows what would become of them, and makes a batch.

Files that are chosen together are a draft, whose id is in the address: so a page that is loaded again, or opened
twice, shows the same, and a file chosen again goes on where it broke off. A batch's idempotency key is made of the
draft and the look: sent twice, from two tabs or after going back, it is one batch.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from producer.api.access import Asking, Caller
from producer.api.pages.browser import ForMerchantPages, page
from producer.api.pages.draft_view import draft_view, field_of
from producer.api.previews import preview_answer
from producer.api.problems import problem_of
from producer.api.submissions import ManifestOptions, order_of_uploads
from producer.manifest.one_picture import one_picture
from producer.pages.upload import PREVIEWS, ChosenLook, Trouble
from producer.submit import Order, submit_batch
from producer.uploaded_files import mark_used, take_file
from shared.errors import AtelierError, InvalidInput, NotFound
from shared.queue.actions import cancel_batch
from shared.queue.queues import QueueName
from shared.uploads import actions, parts, uploads
from shared.uploads.uploads import Upload, UploadState

FORM = "/upload"
FILES_AT_ONCE = 1000
PREVIEW_SECONDS = 20
PREVIEW_CACHE = "private, max-age=3600"
MOST_ADDRESSES = 1000
DRAFTS_SHOWN = 20
MOST_CORRECTIONS = 200

router = APIRouter(prefix="/upload", route_class=ForMerchantPages, include_in_schema=False)


class LookForm(BaseModel):
    """Look and formats, as the form sends them."""

    styles: list[str] = Field([], max_length=64)
    mix: bool = False
    share: str = "0.5"
    strength: str = "1"
    texture_scale: str = "1"
    protect: str = "auto"
    white: str = "keep"
    background: str = "keep"
    colour: str = "#ffffff"
    presets: list[str] = Field([], max_length=32)
    proof: bool = False
    lines: list[int] = Field([], max_length=MOST_CORRECTIONS)
    images: list[Annotated[str, Field(max_length=4096)]] = Field([], max_length=MOST_CORRECTIONS)

    @property
    def chosen(self) -> ChosenLook:
        """Return the look with the colour in its place, and the lines of the feed that have another image."""
        values = self.model_dump(exclude={"colour", "lines", "images"})
        given = {line: text.strip() for line, text in zip(self.lines, self.images, strict=False) if text.strip()}
        colour = {"background": self.colour} if self.background == "colour" else {}
        return ChosenLook(**values | colour, corrections=tuple(sorted(given.items())))


def options_of(look: ChosenLook) -> ManifestOptions:
    """Return the look as the API takes it. Raises InvalidInput, whose code names the field."""
    if not look.styles:
        raise InvalidInput("choose at least one style", code="unknown_style")
    try:
        scale = float(look.texture_scale)
    except ValueError:
        raise InvalidInput(f"texture scale {look.texture_scale[:20]!r} is not a number", code="bad_scale") from None
    return ManifestOptions(
        styles=[_mix(look)] if look.mix and len(look.styles) > 1 else list(look.styles),
        strength=look.strength[:100],
        texture_scale=scale,
        protect=look.protect[:64],
        white=look.white[:64],
        background=look.background[:128],
        presets=list(look.presets),
        proof=look.proof,
    )


def _mix(look: ChosenLook) -> str:
    """Return the chosen styles as one mix: of two by the share of the first, of more in equal parts."""
    try:
        share = float(look.share)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise InvalidInput(f"share {look.share[:20]!r} is not between 0 and 1", code="bad_share")
    weights = [share, 1 - share] if len(look.styles) == 2 else [1 / len(look.styles)] * len(look.styles)
    return ",".join(f"{style}:{weight:.4g}" for style, weight in zip(look.styles, weights, strict=True))


@router.get("", response_class=HTMLResponse)
def empty(request: Request, asking: Asking) -> Response:
    """Show the form for files."""
    return _form(request, asking, uuid4())


@router.post("", response_class=HTMLResponse, form_limits={"max_files": FILES_AT_ONCE, "max_part_size": 2**20})
def take(
    request: Request,
    asking: Asking,
    draft: Annotated[UUID, Form()],
    files: list[UploadFile] | None = None,
    addresses: Annotated[str, Form()] = "",
) -> Response:
    """Take files that a form sends whole, and addresses of pictures."""
    given = [file for file in files or [] if file.filename]
    try:
        if listed := addresses.split()[: MOST_ADDRESSES + 1]:
            _take_addresses(asking, draft, listed)
        for file in given:
            size = file.size or 0
            new = uploads.NewUpload(file.filename or "", size, parts.PART_BYTES, _digest(file), draft)
            take_file(asking.session, asking.actor, new, file.file)
        if not given and not listed:
            raise InvalidInput("choose files, or give addresses of pictures", code="no_images")
    except AtelierError as error:
        found = problem_of(error)
        trouble = Trouble(found.detail, found.code, "addresses" if found.code == "bad_address" else "files")
        return _form(request, asking, draft, trouble, found.status)
    return RedirectResponse(f"/upload/{draft}", 303)


@router.get("/{draft}", response_class=HTMLResponse)
def show(request: Request, asking: Asking, draft: UUID, look: Annotated[LookForm, Query()]) -> Response:
    """Show the files of a draft, what would become of them, and the look."""
    return _shown(request, asking, draft, look.chosen)


@router.post("/{draft}/look")
def try_look(asking: Asking, draft: UUID, look: Annotated[LookForm, Form()]) -> Response:
    """Show the draft in another look. A form that is sent so needs no script."""
    return RedirectResponse(f"/upload/{draft}?{look.chosen.query}#look", 303)


@router.post("/{draft}/start", response_class=HTMLResponse)
def start(request: Request, asking: Asking, draft: UUID, look: Annotated[LookForm, Form()]) -> Response:
    """Make the batch, and go to its page."""
    chosen = look.chosen
    try:
        ids = [upload.id for upload in _complete(asking, draft)]
        key = hashlib.sha256(f"{draft}?{chosen.query}".encode()).hexdigest()
        with order_of_uploads(asking, options_of(chosen), ids, key, dict(chosen.corrections)) as order:
            batch = submit_batch(asking.session, order).batch
        mark_used(asking.session, asking.actor, ids)
    except AtelierError as error:
        return _shown(request, asking, draft, chosen, error)
    return RedirectResponse(f"/batches/{batch.id}", 303)


@router.post("/{draft}/discard")
def discard(asking: Asking, draft: UUID) -> Response:
    """Remove all files of a draft."""
    session = asking.session
    with asking.transaction() as connection:
        found = uploads.list_draft(connection, asking.merchant_id, draft)
    for upload in found:
        actions.remove_upload(session.engine, session.store, asking.actor, upload.id)
    return RedirectResponse("/upload", 303)


@router.post("/{draft}/files/{file}/discard")
def discard_file(asking: Asking, draft: UUID, file: UUID) -> Response:
    """Remove one file of a draft."""
    actions.remove_upload(asking.session.engine, asking.session.store, asking.actor, file)
    with asking.transaction() as connection:
        left = uploads.list_draft(connection, asking.merchant_id, draft)
    return RedirectResponse(f"/upload/{draft}" if left else "/upload", 303)


@router.get("/{draft}/previews/{number}", response_class=Response)
async def preview(
    request: Request, asking: Asking, draft: UUID, number: int, look: Annotated[LookForm, Query()]
) -> Response:
    """Show one of the draft's first pictures in the look that is tried; 202 if it is not made in time."""
    until = time.monotonic() + PREVIEW_SECONDS
    batch = await run_in_threadpool(_begin_preview, asking, draft, number, look.chosen)
    answer = await preview_answer(request, asking, batch, until)
    if answer.status_code == 200:
        answer.headers["Cache-Control"] = PREVIEW_CACHE
    elif await request.is_disconnected():  # a slider was moved on: nobody waits for this one any more
        await run_in_threadpool(cancel_batch, asking.session.engine, asking.actor, str(batch))
    return answer


def _shown(
    request: Request, asking: Caller, draft: UUID, look: ChosenLook, error: AtelierError | None = None
) -> HTMLResponse:
    """Show a draft. What is wrong with the look stands beside its field, what is wrong with the files at the check."""
    with asking.transaction() as connection:
        files = uploads.list_draft(connection, asking.merchant_id, draft)
    if not files:
        gone = Trouble("these files are gone: choose them again", "not_found", "files")
        return _form(request, asking, draft, gone, 404)
    view = draft_view(asking, draft, files, look, options_of)
    status = 200
    if error is not None:
        found = problem_of(error)
        view, status = replace(view, trouble=Trouble(found.detail, found.code, field_of(error))), found.status
    return page(request, "draft.html", status, view=view, max_mib=asking.session.settings.max_upload_mib)


def _form(
    request: Request, asking: Caller, draft: UUID, trouble: Trouble | None = None, status: int = 200
) -> HTMLResponse:
    """Show the form for files, and what was sent earlier and is not used yet."""
    with asking.transaction() as connection:
        drafts = uploads.list_drafts(connection, asking.merchant_id, DRAFTS_SHOWN)
    limit = asking.session.settings.max_upload_mib
    return page(request, "upload.html", status, draft=draft, trouble=trouble, drafts=drafts, max_mib=limit)


def _complete(asking: Caller, draft: UUID) -> list[Upload]:
    with asking.transaction() as connection:
        found = uploads.list_draft(connection, asking.merchant_id, draft)
    complete = [upload for upload in found if upload.state == UploadState.COMPLETE]
    if not complete:
        raise NotFound("the files are gone, or none has been sent completely: choose them again")
    return complete


def _begin_preview(asking: Caller, draft: UUID, number: int, look: ChosenLook) -> UUID:
    if not 0 <= number < PREVIEWS:
        raise NotFound(f"previews are numbered 0 to {PREVIEWS - 1}")
    with _preview_order(asking, draft, number, look) as order:
        return submit_batch(asking.session, order).batch.id


@contextmanager
def _preview_order(asking: Caller, draft: UUID, number: int, look: ChosenLook) -> Iterator[Order]:
    ids = [upload.id for upload in _complete(asking, draft)]
    options = options_of(replace(look, styles=look.styles if look.mix else look.styles[:1], presets=(), proof=False))
    with order_of_uploads(asking, options, ids, None, dict(look.corrections)) as order:
        manifest = one_picture(order.manifest, number)
        if not any(manifest.rows()):
            raise NotFound(f"there is no picture {number + 1} to preview")
        yield replace(order, manifest=manifest, identity=manifest.fingerprint, queue=QueueName.PREVIEW)


def _take_addresses(asking: Caller, draft: UUID, addresses: list[str]) -> None:
    """Keep addresses of pictures as a list of their own among the files."""
    if len(addresses) > MOST_ADDRESSES:
        raise InvalidInput(f"at most {MOST_ADDRESSES} addresses: send more as a CSV file", code="bad_address")
    for address in addresses:
        if not address.lower().startswith(("http://", "https://", "s3://")) or '"' in address:
            raise InvalidInput(f"{address[:80]!r} is no address: write https://…", code="bad_address")
        if address.lower().partition("?")[0].endswith((".csv", ".xml", ".json", ".zip")):
            raise InvalidInput(
                f"{address[:80]!r} is a feed or archive: download it, and choose the file", code="bad_address"
            )
    data = ("image\n" + "".join(f'"{address}"\n' for address in addresses)).encode()
    digest = hashlib.sha256(data).hexdigest()
    new = uploads.NewUpload("addresses.csv", len(data), parts.PART_BYTES, digest, draft)
    take_file(asking.session, asking.actor, new, io.BytesIO(data))


def _digest(file: UploadFile) -> str:
    digest = hashlib.file_digest(file.file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.file.seek(0)
    return digest
