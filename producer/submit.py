"""Submission: a manifest becomes a batch of jobs and chunks, page by page.

Each page is one transaction, and its chunks may run as soon as it is committed. The batch is
``receiving`` until the manifest has ended; an interrupted submission of the same input goes on at
its last row.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import Connection

from producer.jobs_from_rows import RowLooks, RowPage, read_ahead, read_pages, row_looks
from producer.kept_feeds import keep_feed
from producer.manifest import Manifest
from producer.manifest.columns import Columns
from producer.order_size import count_images
from producer.source_intake import Intake
from shared.context import Session
from shared.database import database_time, transaction
from shared.errors import Conflict, ManifestError, UsageError
from shared.look import Look
from shared.merchants import audit
from shared.merchants.actors import Actor, operator
from shared.merchants.backgrounds import background_names, settle_background
from shared.merchants.merchants import allowed_sources, require_kept
from shared.merchants.presets import pin_presets, resolve_presets
from shared.merchants.quotas import find_quota, has_hard_limit, require_within
from shared.merchants.scope import scope
from shared.models.default_protection import settle_protection
from shared.models.promotion.canaries import choose_pin, default_pin
from shared.models.styles import require_styles, with_kinds
from shared.plain_text import storable
from shared.presets import DEFAULT_PRESETS, require_alpha, require_presets
from shared.proofs.proofs import Circumstances, Proof, decide, proof_of, remember_looks, wait_for_input
from shared.proofs.sample import PROOF_IMAGES
from shared.proofs.upload_rules import find_rules
from shared.protection import Protect
from shared.queue import batches, submissions
from shared.queue.batches import Batch, BatchState, IntakeState, NewBatch
from shared.queue.chunks import add_chunks, cut_chunks
from shared.queue.dispatch import dispatch_or_warn
from shared.queue.estimate import measure_rate
from shared.queue.jobs import add_jobs
from shared.queue.queues import QueueName

PREVIEW_IMAGES = PROOF_IMAGES

TWIN_SECONDS = 5.0
"""The same submission twice at once: the one that came second waits so long for the first to end."""

TWIN_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Order:
    """What a merchant asks for: a manifest in one or several looks, written by some presets.

    ``actor`` asks: by default whoever runs this process. ``identity`` stands for the manifest where
    its own fingerprint, of which its path is a part, says too much: a file sent again lies elsewhere. Under the same
    ``idempotency_key`` it is the same batch for good; without one, while that runs. ``proof``: a sample first, whatever
    the merchant's rules say; a preview is none the less made at once, being one. ``pixels`` are the sizes of sources
    that are in the store already.
    """

    merchant: str
    manifest: Manifest
    looks: tuple[Look, ...]
    presets: tuple[str, ...] = DEFAULT_PRESETS
    queue: str = QueueName.BULK
    actor: Actor = field(default_factory=operator)
    identity: str | None = None
    idempotency_key: str | None = None
    proof: bool = False
    pixels: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_presets(self.presets)
        require_alpha((look.background for look in self.looks), self.presets)

    @property
    def is_styled(self) -> bool:
        """Return whether a look of the order changes its photos."""
        return any(not look.is_photo for look in self.looks)

    @property
    def fingerprint(self) -> str:
        """Identifies input and looks, so that the same order goes on where it was interrupted."""
        parts = [
            self.identity or self.manifest.fingerprint,
            [_as_asked(look) for look in self.looks],
            self.presets,
            self.queue,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _as_asked(look: Look) -> dict[str, object]:
    """Return a look for the fingerprint of its order.

    A protection that was not chosen is left out, as it was before there was one: so an order that is sent again after
    an upgrade is still the same one.
    """
    chosen = {} if look.protect == Protect.AUTO else {"protect": str(look.protect)}
    return {name: value for name, value in look.to_json().items() if name != "protect"} | chosen


@dataclass(frozen=True)
class Submission:
    """An accepted batch; ``resumed`` if it had been begun before; ``warnings`` for the merchant; its ``proof``."""

    batch: Batch
    resumed: bool
    warnings: tuple[str, ...] = ()
    proof: Proof | None = None


def submit_batch(session: Session, order: Order, *, accepted: Callable[[Batch], None] = lambda _: None) -> Submission:
    """Accept an order and enqueue its jobs; ``accepted`` is called after each page.

    A bad row becomes a failed job. A manifest that breaks off leaves the rows before it running. What may have to be
    proved waits for its last row.
    Raises UnknownStyle, ManifestError (no row at all), UsageError (a preview that is too large) or QuotaExceeded before
    anything is stored.
    """
    if order.queue == QueueName.PREVIEW:
        require_few(order)
    batch, resumed = _open(session, order)
    if batch.intake == IntakeState.SEALED:
        return _known(session, batch, resumed=resumed)
    keep_feed(session.store, batch, order.manifest)
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        allowed = allowed_sources(connection, batch.merchant_id)
        styles = with_kinds(connection, batch.merchant_id, batch.style_rows)
        pictures = background_names(connection, batch.merchant_id)
        warning = find_quota(connection, batch.merchant_id).warning()
    warnings = [] if warning is None else [warning]
    seen: dict[int, Look] = {}  # by identity, since they are few objects, and quicker so than by value
    try:
        for page in _pages(session, order, batch, allowed, row_looks(order.looks, styles, pictures)):
            batch = _commit(session, batch, page)
            seen |= {id(job.look): job.look for job in page.jobs}
            accepted(batch)
            warnings += dispatch_or_warn(session.engine, session.broker)
    except Conflict as error:
        return _known(session, _sealed_elsewhere(session, batch, error), resumed=resumed)
    except ManifestError as error:
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            batch = batches.get_batch(connection, batch.id)
            if batch.rows_read == 0:
                submissions.refuse(connection, batch.id, str(error))
        if batch.rows_read == 0:
            raise
        warnings.append(f"the manifest breaks off, what came before is accepted: {error}")
    waited = batch.paused
    batch, proof = _seal(session, batch, order, set(seen.values()))
    if waited:  # the sample, or all of it, may run now
        warnings += dispatch_or_warn(session.engine, session.broker)
    return Submission(batch, resumed, tuple(dict.fromkeys((*order.manifest.notes, *warnings))), proof)


class _Uncounted(Exception):
    """The merchant has a hard limit, so the images must be counted before a batch is opened."""


def _open(session: Session, order: Order) -> tuple[Batch, bool]:
    """Open the batch of an order, counted first where its merchant has a hard limit."""
    try:
        return open_batch(session, order)
    except _Uncounted:
        planned = count_images(session, order.merchant, order.manifest, order.looks)
        return open_batch(session, order, planned)


def _known(session: Session, batch: Batch, *, resumed: bool) -> Submission:
    """Return a batch that takes no more rows, with its proof if there is one."""
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        return Submission(batch, resumed, proof=proof_of(connection, batch.id))


def _pages(session: Session, order: Order, batch: Batch, allowed: Sequence[str], looks: RowLooks) -> Iterator[RowPage]:
    """Yield the pages of an order that come after those its batch has."""
    rows = order.manifest.rows(skip=batch.rows_read)
    most_bytes = session.settings.max_image_mib * 2**20
    with (
        Intake(session.store, batch.merchant_id, most_bytes, allowed, order.pixels) as intake,
        closing(read_ahead(read_pages(rows, looks, intake, first=batch.total))) as pages,
    ):
        yield from pages


def _sealed_elsewhere(session: Session, batch: Batch, conflict: Conflict) -> Batch:
    """Return a batch once whoever submits the same just now has sealed it. Raises the conflict after a while."""
    until = time.monotonic() + TWIN_SECONDS
    while time.monotonic() < until:
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            found = batches.get_batch(connection, batch.id)
        if found.state == BatchState.CANCELLED:
            break
        if found.notice is not None:  # ended by the sweep, which took this submitter for gone
            raise Conflict(f"batch {batch.id}: {found.notice}", code="submission_ended") from conflict
        if found.intake == IntakeState.SEALED:
            return found
        time.sleep(TWIN_POLL_SECONDS)
    raise conflict


def _seal(session: Session, batch: Batch, order: Order, looks: set[Look]) -> tuple[Batch, Proof | None]:
    """Seal a batch. Remember its looks, unless it is a preview or a sample of it needs approval."""
    proof = None
    if batch.paused:
        batch, proof = _seal_waiting(session, batch, order)
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        if batch.intake == IntakeState.RECEIVING:
            batch = batches.seal(connection, batch.id)
        if proof is None and order.queue != QueueName.PREVIEW:
            remember_looks(connection, batch.merchant_id, looks)
    return batch, proof


def _seal_waiting(session: Session, batch: Batch, order: Order) -> tuple[Batch, Proof | None]:
    """Seal a batch that may have to be proved, and either begin its proof or let it go."""
    with transaction(session.engine) as connection:
        rate = measure_rate(connection)
    category = Columns.among(order.manifest.columns).categories
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        batch = batches.seal(connection, batch.id)
        rules = find_rules(connection, batch.merchant_id)
        first = category[0] if category else None
        proof = decide(
            connection, batch, Circumstances(rules, rate, session.settings, first, database_time(connection))
        )
        return batches.get_batch(connection, batch.id), proof


def open_batch(session: Session, order: Order, planned: int | None = None) -> tuple[Batch, bool]:
    """Return the unfinished batch of the same order, or a new one; and whether it is an old one.

    ``planned`` is the number of its images, where the merchant has a hard limit. Raises NotAllowed where the actor's
    key is another merchant's, and QuotaExceeded where the batch would exceed the limit.
    """
    with scope(session.engine, order.merchant) as (connection, merchant):
        order.actor.require_merchant(merchant)
        pin = default_pin(connection, merchant)
        styles = {name for look in order.looks for name in look.styles}
        require_styles(sorted(styles), pin.style_rows)
        pictures = background_names(connection, merchant)
        looks = [settle_background(look, pictures) for look in order.looks]
        resolve_presets(connection, merchant, order.presets)
        if known := _known_batch(connection, merchant, order):
            submissions.resume_receiving(connection, known.id)
            return known, True
        if planned is None and has_hard_limit(connection, merchant):
            raise _Uncounted
        if order.queue != QueueName.PREVIEW:
            pin = choose_pin(connection, merchant, styles, pin)
        presets, rules = pin_presets(connection, merchant, order.presets, styled=order.is_styled)
        new = NewBatch(
            id=pin.batch_id,
            merchant_id=merchant,
            name=storable(order.manifest.name),  # a name of a file may be of any bytes
            queue=order.queue,
            look=settle_protection(looks[0], pin.style_rows),
            presets=presets,
            preset_rules=rules,
            planned=planned,
            model_version_id=pin.version.id,
            style_rows=pin.style_rows,
            fingerprint=order.fingerprint,
            input_columns=order.manifest.columns,
            idempotency_key=order.idempotency_key,
        )
        try:
            batch = batches.create_batch(connection, new)
        except Conflict:  # its key was taken just now, by the same or another
            if known := _known_batch(connection, merchant, order):
                return known, True
            raise
        if order.idempotency_key is None:
            submissions.name_submission(connection, batch, order.fingerprint)
        if order.queue != QueueName.PREVIEW and (order.proof or find_rules(connection, merchant) is not None):
            wait_for_input(connection, batch, asked=order.proof)
        require_kept(connection, merchant)
        if planned is not None:
            require_within(connection, merchant)
        audit.record(connection, order.actor.name, "submit", merchant, {"batch": batch.id, "queue": batch.queue})
        return batch, False


def _known_batch(connection: Connection, merchant: int, order: Order) -> Batch | None:
    """The batch that the same order has made before; without one, nobody else makes it before this transaction ends."""
    if order.idempotency_key is not None:
        return batches.find_submitted(connection, merchant, order.idempotency_key, order.fingerprint)
    submissions.claim_submission(connection, merchant, order.fingerprint)
    return batches.find_unfinished(connection, merchant, order.fingerprint)


def require_few(order: Order) -> None:
    """Raise UsageError if a preview, which overtakes everybody's bulk work, is more than a look at the result."""
    images = len(order.looks) * sum(1 for _ in islice(order.manifest.rows(), PREVIEW_IMAGES + 1))
    if images > PREVIEW_IMAGES:
        raise UsageError(f"a preview is of at most {PREVIEW_IMAGES} images: submit so many without --preview")


def _commit(session: Session, batch: Batch, page: RowPage) -> Batch:
    """Store a page: its jobs, their chunks and the batch's counters, in one transaction."""
    failed = sum(job.code is not None for job in page.jobs)
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        add_jobs(connection, batch.id, batch.merchant_id, page.jobs)
        add_chunks(
            connection,
            batch,
            cut_chunks(
                page.jobs[0].ordinal,
                (job.pixels for job in page.jobs),
                session.settings.chunk_megapixels,
                session.settings.working_px,
            ),
        )
        return batches.extend(connection, batch, rows=page.rows, jobs=len(page.jobs), failed=failed)
