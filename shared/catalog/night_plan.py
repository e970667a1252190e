"""A night's plan: which images are stale, how many of them fit into the night, and what they are painted with.

A plan lives in the transaction that makes it, since its images are rows of temporary tables, which may be a million.
It owns these tables, and nobody else reads them:

    night_looks  the merchant's looks, and what each paints now (``stale.find_stale`` fills it)
    stale        the images to be styled, and why (``stale.find_stale``, too)
    planned      those of them that the night takes, by the ordinals of their jobs
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from shared.catalog.budget import most_images, seconds_between
from shared.catalog.schedules import NightRules
from shared.catalog.stale import PaintInputs, StaleImages, find_stale
from shared.database import Lock, lock
from shared.look import Look
from shared.merchants.presets import pin_presets
from shared.models.promotion.canaries import Pin, choose_pin, default_pin
from shared.proofs.sample import PROOF_IMAGES
from shared.queue.batches import Batch
from shared.queue.estimate import Estimate, Rate, estimate
from shared.settings import Settings


@dataclass(frozen=True)
class Window:
    """What a plan is for: whose catalogue, by which rules, from when to when."""

    merchant_id: int
    rules: NightRules
    now: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True)
class NightPlan:
    """What a night would do. ``left`` images do not fit and go first next night; ``proof`` says why one is needed."""

    merchant_id: int
    stale: StaleImages
    taken: Estimate
    left: int
    painting: PaintInputs
    warnings: Sequence[str]
    proof: str | None
    _connection: Connection = field(repr=False, compare=False)

    @classmethod
    def make(cls, connection: Connection, window: Window, rate: Rate, settings: Settings) -> NightPlan:
        """Plan without changing anything but the temporary tables. Call once in a transaction.

        Holds the merchant's catalogue against imports and other planners until it ends.
        """
        lock(connection, Lock.CATALOG, window.merchant_id)
        pin = default_pin(connection, window.merchant_id)
        presets, rules = pin_presets(connection, window.merchant_id, window.rules.presets)
        painting = PaintInputs(pin.version, pin.style_rows, presets, preset_rules=rules)
        stale = find_stale(connection, window.merchant_id, painting)
        most, warnings = most_images(window.rules, rate, settings, seconds_between(window.now, window.ends_at))
        images = _take(connection, most)
        return cls(
            merchant_id=window.merchant_id,
            stale=stale,
            taken=estimate(images, rate, settings),
            left=stale.total - images,
            painting=painting,
            warnings=(*stale.warnings, *warnings),
            proof=_why_proof(images, window.rules, stale),
            _connection=connection,
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, as printed and kept on the night."""
        return {
            "stale": self.stale.total,
            "by_reason": dict(self.stale.by_reason),
            "left_for_next_night": self.left,
            "proof": self.proof,
            "model_version": self.painting.version.id,
            "warnings": list(self.warnings),
        } | asdict(self.taken)

    def pinned(self) -> NightPlan:
        """Return the plan as it is painted: by the champion, by which it was made, or by the canary that takes it."""
        looks = self._connection.execute(
            text("SELECT DISTINCT l.look FROM planned p JOIN catalog_looks l ON l.id = p.look_id")
        ).scalars()
        styles = {name for look in looks for name in Look.from_json(look).styles}
        usual = Pin(self.painting.version, self.painting.style_rows)
        pin = choose_pin(self._connection, self.merchant_id, styles, usual)
        if pin.version != usual.version:
            self._connection.execute(
                text("UPDATE planned p SET model = l.canary FROM night_looks l WHERE l.id = p.look_id")
            )
        painting = replace(self.painting, version=pin.version, style_rows=pin.style_rows, batch_id=pin.batch_id)
        return replace(self, painting=painting)

    def first_look(self) -> Look:
        """Return the look of the first image, of which there must be one."""
        found = self._connection.execute(
            text("SELECT l.look FROM planned p JOIN catalog_looks l ON l.id = p.look_id ORDER BY p.ordinal LIMIT 1")
        )
        return Look.from_json(found.scalar_one())

    def pixels(self) -> Iterable[int]:
        """Return the sizes of the images, by ordinal."""
        return self._connection.execute(text("SELECT pixels FROM planned ORDER BY ordinal")).scalars()

    def add_jobs(self, batch: Batch) -> int:
        """Add a job for each image; of those whose outputs are called alike, the later have their ordinal in it."""
        return self._connection.execute(
            text("""
            INSERT INTO jobs (batch_id, ordinal, merchant_id, line, sku, image, source, output, look, input, pixels)
            SELECT :batch, p.ordinal, :merchant, p.ordinal + 1, i.sku, i.image, i.source,
                   CASE row_number() OVER (PARTITION BY lower(i.output) ORDER BY p.ordinal)
                        WHEN 1 THEN i.output ELSE i.output || '-' || p.ordinal END,
                   l.look, jsonb_build_object('sku', i.sku, 'image', i.image, 'category', i.category,
                                      'position', CAST(i.position AS text)), i.pixels
            FROM planned p JOIN catalog_images i ON i.id = p.image_id JOIN catalog_looks l ON l.id = p.look_id
            """),
            {"batch": batch.id, "merchant": self.merchant_id},
        ).rowcount

    def record_images(self, batch: Batch) -> None:
        """Record of which content, look and model each job of the night is."""
        self._connection.execute(
            text("""
            INSERT INTO night_images (batch_id, ordinal, merchant_id, image_id, look_id, reason, content, look, model)
            SELECT :batch, ordinal, :merchant, image_id, look_id, reason, content, look, model FROM planned
            """),
            {"batch": batch.id, "merchant": self.merchant_id},
        )


def _take(connection: Connection, most: int | None) -> int:
    """Take the images that have been stale for longest, all without a limit; return how many."""
    connection.execute(
        text("""
        CREATE TEMPORARY TABLE planned ON COMMIT DROP AS
        SELECT row_number() OVER (ORDER BY since, image_id) - 1 AS ordinal, *
        FROM (SELECT * FROM stale ORDER BY since, image_id LIMIT :most) taken
        """),
        {"most": most},
    )
    connection.execute(text("ANALYZE planned"))
    return int(connection.execute(text("SELECT count(*) FROM planned")).scalar_one())


def _why_proof(images: int, rules: NightRules, stale: StaleImages) -> str | None:
    """Say why a night is proved first, or None. A budget makes nothing small of which more is to come."""
    if stale.total <= PROOF_IMAGES:
        return None
    if stale.new_looks:
        return f"{stale.new_looks[0]} is new"
    if rules.proof_above is not None and images > rules.proof_above:
        return f"there are more than {rules.proof_above} images"
    return None
