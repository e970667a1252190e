"""Shops whose web sources are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest

from shared.catalog.schedules import NightRules
from shared.context import Session
from tests.waiting import LIMIT_SECONDS
from tests.web_host import serving
from tests.web_shop import Pictures, WebShop
from workers.fetch.address_guard import Reach
from workers.fetch.buckets import Buckets
from workers.fetch.client import Web
from workers.fetch.sources import Sources
from workers.runtime.metrics import Metrics


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give hosts and ticks all the time they take, on however slow a machine; tests of slow hosts say otherwise."""
    monkeypatch.setattr("workers.fetch.sources.SEE_SECONDS", LIMIT_SECONDS)
    monkeypatch.setattr("workers.fetch.source_checks.CHECKING_SECONDS", LIMIT_SECONDS)


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    with serving() as host:
        yield Pictures(host)


@pytest.fixture
def open_shop(session: Session, pictures: Pictures, tmp_path: Path) -> Callable[..., WebShop]:
    """Open shops that have a look, a schedule and, by sku, pictures that a night has styled."""

    def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    web = Web(Reach(networks=(ip_network("127.0.0.0/8"),)), 10**6, resolve=resolve)
    sources = Sources(session.engine, session.store, 10**6, Buckets(session.settings.store_options, 10**6), web)

    def opened(*skus: str, name: str = "shop", rules: NightRules | None = None) -> WebShop:
        shop = WebShop(session, tmp_path, name)
        shop.sources, shop.pictures, shop.metrics = sources, pictures, Metrics()
        shop.look("udnie")
        shop.schedule(rules=rules)
        for sku in skus:
            pictures.put(f"/{sku}", sku.encode())
        shop.fill(*skus)
        shop.live_a_night()
        pictures.sent.clear()
        return shop

    return opened
