"""A shop whose pictures are on a web host that a test writes, and that checks ask about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any

from sqlalchemy import text

from shared.catalog.feed import Imported
from shared.catalog.source_checks import (
    ARREARS,
    EVERY,
)
from shared.database import transaction
from shared.queue.chunks import Claim
from shared.queue.jobs import Job
from shared.queue.outcomes import Succeeded
from tests.shop import Shop, painted
from tests.web_host import Host, answer
from workers.fetch.source_checks import check_sources
from workers.fetch.sources import Sources
from workers.runtime.metrics import Metrics

TICK = timedelta(seconds=30)


@dataclass
class Pictures:
    """A host's pictures by path; one that ``knows`` validators answers 304 where they are still the same."""

    host: Host
    knows: bool = True
    sent: Counter[int] = field(default_factory=Counter)
    """Answers by status."""

    def put(self, path: str, data: bytes) -> None:
        tag = f'"{sha256(data).hexdigest()[:8]}"'

        def picture(handler: BaseHTTPRequestHandler) -> None:
            same = self.knows and handler.headers["If-None-Match"] == tag
            self.sent[304 if same else 200] += 1
            headers = [f"ETag: {tag}"] if self.knows else []
            handler.wfile.write(answer(304) if same else answer(200, *headers, body=data))

        self.host.answers[path] = picture

    def say(self, path: str, status: int) -> None:
        self.host.answers[path] = answer(status)


class WebShop(Shop):
    """A shop whose pictures are on a host, and are styled as what that gives."""

    sources: Sources
    pictures: Pictures
    metrics: Metrics

    def fill(self, *skus: str) -> Imported:
        """Import a feed that names addresses and no hash: of one path for each sku."""
        return self.feed({sku: "" for sku in skus})

    def address(self, sku: str) -> str:
        return self.pictures.host.url(f"/{sku}")

    def painted(self, claim: Claim, job: Job) -> Succeeded:
        return painted(claim, job, sha256(self.sources.fetch(self.id, job.source)).hexdigest())

    def check(self, after: timedelta = TICK) -> Counter[str]:
        """Let beat tick once more."""
        self.now += after
        return check_sources(self.session.engine, self.sources, self.metrics, self.now)

    def check_all(self) -> Counter[str]:
        """Sleep until all are due, and check until none is."""
        self.now += EVERY
        found: Counter[str] = Counter()
        while page := self.check(ARREARS):
            found += page
        return found

    def column(self, name: str, table: str = "catalog_images") -> list[Any]:
        with transaction(self.session.engine) as connection:
            return list(
                connection.execute(
                    text(f"SELECT {name} FROM {table} WHERE merchant_id = {self.id} ORDER BY id")
                ).scalars()
            )


Open = Callable[..., WebShop]
