"""Dry run: read the whole manifest and store nothing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from producer.jobs_from_rows import RowLooks, row_looks
from producer.manifest import Manifest
from producer.manifest.outputs import HashSet
from producer.submit import Order, require_few
from shared.context import Session
from shared.database import transaction
from shared.errors import InvalidInput
from shared.merchants.backgrounds import background_names
from shared.merchants.merchants import allowed_sources, require_allowed
from shared.merchants.presets import resolve_presets
from shared.merchants.quotas import Quota, find_quota
from shared.merchants.scope import scope
from shared.models.styles import require_styles, style_rows
from shared.models.versions import champion
from shared.proofs.sample import PROOF_IMAGES
from shared.proofs.upload_rules import ProofRules, find_rules
from shared.queue.estimate import estimate, measure_rate
from shared.queue.queues import QueueName

BAD_ROWS_SHOWN = 100


@dataclass(frozen=True)
class BadRow:
    """Row that would fail: ``message`` says why and what to do about it."""

    line: int
    sku: str
    image: str
    code: str
    message: str


@dataclass(frozen=True)
class Rehearsal:
    """What a submission would do.

    ``images`` would be styled, each picture in a look counted once; ``repeated`` ask for one of these again. What
    earlier batches have made is reused, at no cost, and is known only once a picture is read. ``seconds``,
    ``gpu_minutes`` and ``cost`` are None until a rate was measured. ``bad_rows`` are the first of ``bad``.
    ``sample`` says whether a sample would be styled first, to be approved; None if that depends on whether its looks
    are new. ``left`` is how many images the merchant's quota still admits this month, None for any number.
    """

    format: str
    warnings: list[str]
    rows: int
    products: int
    bad: int
    bad_rows: list[BadRow]
    images: int
    repeated: int
    seconds: float | None
    gpu_minutes: float | None
    cost: float | None
    sample: bool | None
    left: int | None = None


class Distinct:
    """Counts distinct values in 16 bytes or fewer each, since there may be millions."""

    def __init__(self) -> None:
        self.count = 0
        self._seen = HashSet()

    def add(self, value: Hashable) -> None:
        """Count a value if it is new."""
        self.count += self._seen.add(hash(value) & 0xFFFF_FFFF_FFFF_FFFF or 1)


@dataclass
class Survey:
    """What a manifest holds: rows, pictures asked for and distinct ones, products, and the first bad rows."""

    rows: int = 0
    bad: int = 0
    asked: int = 0
    pictures: Distinct = field(default_factory=Distinct)
    products: Distinct = field(default_factory=Distinct)
    bad_rows: list[BadRow] = field(default_factory=list)


def survey(manifest: Manifest, looks: RowLooks, allowed: Sequence[str]) -> Survey:
    """Read a whole manifest. A picture in a look counts once, however many rows name it."""
    seen = Survey()
    for row in manifest.rows():
        seen.rows += 1
        try:
            if row.error is not None:
                raise row.error
            require_allowed(row.source, allowed)
            for look, _ in looks(row.look):
                seen.asked += 1
                seen.pictures.add((row.source, look.json))
            seen.products.add(row.sku)
        except InvalidInput as error:
            seen.bad += 1
            if len(seen.bad_rows) < BAD_ROWS_SHOWN:
                seen.bad_rows.append(BadRow(row.line, row.sku, row.image, error.code, str(error)))
    return seen


def rehearse(session: Session, order: Order) -> Rehearsal:
    """Read the whole manifest; return what would happen, with the first ``BAD_ROWS_SHOWN`` bad rows.

    Raises what submitting it would raise: UnknownStyle, UsageError or ManifestError.
    """
    if order.queue == QueueName.PREVIEW:
        require_few(order)
    with transaction(session.engine) as connection:
        rate = measure_rate(connection)
    with scope(session.engine, order.merchant) as (connection, merchant_id):
        known = style_rows(connection, merchant_id, champion(connection).trunk_sha256)
        allowed = allowed_sources(connection, merchant_id)
        rules = find_rules(connection, merchant_id)
        pictures = background_names(connection, merchant_id)
        resolve_presets(connection, merchant_id, order.presets)
        quota = find_quota(connection, merchant_id)
    require_styles((name for look in order.looks for name in look.styles), known)
    seen = survey(order.manifest, row_looks(order.looks, known, pictures), allowed)
    images = seen.pictures.count
    price = estimate(images, rate, session.settings)
    return Rehearsal(
        format=order.manifest.format,
        warnings=[*order.manifest.notes, *quota_warnings(quota, seen.asked)],
        rows=seen.rows,
        products=seen.products.count,
        bad=seen.bad,
        bad_rows=seen.bad_rows,
        images=images,
        repeated=seen.asked - images,
        seconds=price.seconds,
        gpu_minutes=price.gpu_minutes,
        cost=price.cost,
        sample=_needs_sample(order, rules, images),
        left=quota.left,
    )


def quota_warnings(quota: Quota, images: int) -> list[str]:
    """Return what to tell a merchant whose quota so many more images exceed."""
    if quota.left is not None and images > quota.left:
        return [f"this would be refused: {images} images, and the quota of this month has {quota.left} left"]
    warning = quota.warning(images)
    return [] if warning is None else [warning]


def _needs_sample(order: Order, rules: ProofRules | None, images: int) -> bool | None:
    if order.queue == QueueName.PREVIEW or images <= PROOF_IMAGES:
        return False
    if order.proof or (rules and rules.above is not None and images > rules.above):
        return True
    return None if rules and rules.new_looks else False
