"""A shop with a catalogue, whose nights are lived through with a clock of one's own.

The chunks are done as a worker would, through ``shared.queue.chunks``, but nothing is painted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from producer.catalog_import import import_catalog
from producer.manifest import open_manifest
from shared.catalog import nights, publishing, schedules
from shared.catalog.feed import Imported
from shared.catalog.images import CatalogImage, list_images
from shared.catalog.looks import set_look
from shared.catalog.nights import Night
from shared.catalog.schedules import NightRules, Timing
from shared.catalog.tick import tick
from shared.context import Session
from shared.crontab import Crontab
from shared.database import transaction
from shared.look import Look, parse_mix
from shared.merchants.actors import operator
from shared.merchants.scope import scope
from shared.presets import EXTENSIONS
from shared.proofs.proofs import Proof, proof_of
from shared.queue import batches, chunks, jobs
from shared.queue.batches import Batch
from shared.queue.jobs import Failed, Job
from shared.queue.outcomes import Outcome, Succeeded
from shared.queue.renditions import NewRendition, RenditionKey

EVENING = datetime(2026, 3, 2, 20, tzinfo=UTC)


@dataclass
class Shop:
    """A merchant's catalogue, by the commands' functions, at a moment that only ``sleep`` moves."""

    session: Session
    folder: Path
    name: str = "shop"
    now: datetime = EVENING

    @property
    def id(self) -> int:
        with scope(self.session.engine, self.name) as (_, mine):
            return mine

    def set(self, **settings: float) -> None:
        self.session = replace(self.session, settings=self.session.settings.model_copy(update=settings))

    def feed(self, rows: Mapping[str, str], *, columns: str = "hash", **how: bool) -> Imported:
        """Import a feed of sku → content; more columns stand after the content, with commas."""
        path = self.folder / f"{self.name}.csv"
        lines = [f"{sku},{self.address(sku)},{content}" for sku, content in rows.items()]
        path.write_text("\n".join([f"sku,image,{columns}", *lines]) + "\n")
        return import_catalog(self.session, operator(self.name), open_manifest([str(path)]), lambda *_: None, **how)

    def address(self, sku: str) -> str:
        return f"https://cdn.example/{sku}.jpg"

    def look(self, style: str, what: str = "default", *, follow: bool = False, proved: bool = True) -> None:
        kind, _, value = what.partition("=")
        with scope(self.session.engine, self.name) as (connection, mine):
            set_look(connection, mine, kind, value, Look(parse_mix(style)), follows_model=follow)
            if proved:
                connection.execute(text("UPDATE catalog_looks SET state = 'approved' WHERE state = 'new'"))

    def schedule(
        self,
        crontab: str = "0 1 * * *",
        *,
        zone: str = "UTC",
        until: str | None = None,
        rules: NightRules | None = None,
    ) -> None:
        timing = Timing(Crontab(crontab, zone), time.fromisoformat(until) if until else None)
        with scope(self.session.engine, self.name) as (connection, mine):
            schedules.set_schedule(connection, mine, timing, rules or NightRules(), self.now)

    def sleep(self, until: datetime | timedelta) -> None:
        """Let time pass, and beat tick once."""
        self.now = until if isinstance(until, datetime) else self.now + until
        tick(self.session.engine, self.session.broker, self.session.settings, self.now)

    def nights(self) -> list[Night]:
        with scope(self.session.engine, self.name) as (connection, mine):
            return nights.list_nights(connection, mine, 100)

    @property
    def night(self) -> Night:
        """The newest."""
        return self.nights()[0]

    @property
    def batch_id(self) -> UUID:
        """Of the newest night, which has one."""
        assert self.night.batch_id is not None
        return self.night.batch_id

    def proof(self) -> Proof:
        """Return the proof that the newest night needs, or needed."""
        with scope(self.session.engine, self.name) as (connection, _):
            proof = proof_of(connection, self.batch_id)
        assert proof is not None
        return proof

    def plan(self) -> dict[str, Any]:
        """The newest night's plan, without the reasons that nothing has."""
        plan = self.night.plan
        assert plan is not None
        return plan | {"by_reason": {reason: n for reason, n in plan.get("by_reason", {}).items() if n}}

    def planned(self) -> list[str]:
        """The skus of the newest night, in its order."""
        return [job.sku for job in self.jobs(self.night.batch_id)]

    def jobs(self, batch_id: UUID | None) -> list[Job]:
        with transaction(self.session.engine) as connection:
            return jobs.queued_jobs(connection, batch_id, 0, 10**6) if batch_id else []

    def style(
        self,
        batch_id: UUID | None = None,
        *,
        refused: Collection[str] = (),
        code: str = "object_not_found",
        most: int = 10**6,
    ) -> Batch:
        """Do up to ``most`` chunks of the newest night's batch, or of another; jobs of ``refused`` skus fail."""
        batch_id = batch_id or self.night.batch_id
        assert batch_id is not None
        with transaction(self.session.engine) as connection:
            waiting = connection.execute(
                text("SELECT id FROM chunks WHERE batch_id = :id AND state <> 'done' ORDER BY id LIMIT :most"),
                {"id": batch_id, "most": most},
            ).scalars()
            for chunk_id in waiting.all():
                claim = chunks.claim(connection, chunk_id, uuid4(), 60)
                assert claim is not None
                todo = jobs.queued_jobs(connection, batch_id, claim.first_ordinal, claim.last_ordinal)
                done: list[Outcome] = [
                    Failed(job.ordinal, code, "gone") if job.sku in refused else self.painted(claim, job)
                    for job in todo
                ]
                chunks.finish(connection, claim, done, 60)
                chunks.release(connection, claim)
            return batches.get_batch(connection, batch_id)

    def painted(self, claim: chunks.Claim, job: Job) -> Succeeded:
        return painted(claim, job)

    def live_a_night(self, **how: Any) -> dict[str, Any]:
        """Sleep until one o'clock, let the night be planned, done and settled; return its plan."""
        night = self.now.replace(hour=1, minute=0, second=5) + timedelta(days=self.now.hour >= 1)
        self.sleep(night)
        plan = self.plan()
        if self.night.batch_id:
            self.style(**how)
        self.sleep(timedelta(hours=2))
        return plan

    def images(self) -> dict[str, CatalogImage]:
        with scope(self.session.engine, self.name) as (connection, mine):
            return {one.sku: one for one in list_images(connection, mine, limit=1000)}

    def shown(self) -> dict[str, str | None]:
        """What is shown of each sku."""
        return {sku: one.object_key for sku, one in self.images().items()}

    def revert(self, **which: Any) -> int:
        with scope(self.session.engine, self.name) as (connection, mine):
            return publishing.revert(connection, mine, publishing.Which(**which), "somebody")


def painted(claim: chunks.Claim, job: Job, sha256: str | None = None) -> Succeeded:
    """A rendition of a source with that hash, else of one that changes from batch to batch, in each format."""
    sha256 = sha256 or hashlib.sha256(f"{claim.batch.id} {job.sku} {job.ordinal}".encode()).hexdigest()
    made = []
    for preset in claim.batch.presets:
        key = RenditionKey(sha256, job.look.style, claim.trunk_sha256, preset)
        stored = f"renditions/{claim.batch.merchant_id}/{sha256[:8]}{EXTENSIONS[preset]}"
        made.append(NewRendition(key, stored, sha256, 9, 3, 3))
    return Succeeded(job.ordinal, [one.key for one in made], made)


def skus(number: int, content: str = "1") -> dict[str, str]:
    """Return the rows of a feed: so many skus with the same content."""
    return {f"N{n}": f"{n}-{content}" for n in range(number)}
