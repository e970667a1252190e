"""Asking hosts whether the web sources of catalogues give other pictures now."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine

from shared.catalog.source_checks import PAGE, Finding, Page, record_findings, take_page
from shared.database import transaction
from shared.errors import Conflict, SourceRefused, SourceUnavailable, Unavailable
from workers.fetch.sources import Sources
from workers.runtime.metrics import Metrics

CHECKING_SECONDS = 5.0
"""After so long no further page is begun: a slot for chunks is doing this meanwhile, and beat sends the next tick."""

log = structlog.get_logger()


def check_sources(engine: Engine, sources: Sources, metrics: Metrics, now: datetime) -> Counter[str]:
    """Ask about what is due, page by page, for some seconds; return how many images there were of each outcome.

    A page takes as long as its slowest host, which has ``SEE_SECONDS``. It ends where a page cannot be written down
    because of an import. Raises Unavailable where our own services fail. What was taken is due again when its lease is
    over.
    """
    ends = time.monotonic() + CHECKING_SECONDS
    done: Counter[str] = Counter()
    with ThreadPoolExecutor(PAGE, "check") as pool:
        while time.monotonic() < ends:
            with transaction(engine) as connection:
                page = take_page(connection, now)
            if page is None:
                break
            if not page.sources:
                continue
            found = _ask(pool, sources, page)
            with transaction(engine, merchant=page.merchant_id) as connection:
                changed = record_findings(connection, page, found, now)
            if changed is None:
                log.info("checks_given_up", merchant=page.merchant_id, images=len(found))
                break
            outcomes = _outcomes(found, changed)
            metrics.checked(outcomes, sum(one.bytes for one in found.values()))
            done += outcomes
    return done


def _ask(pool: ThreadPoolExecutor, sources: Sources, page: Page) -> dict[int, Finding]:
    """Ask about each source of a page once, however many images have it."""
    urls = list(dict.fromkeys(page.sources.values()))
    found = dict(zip(urls, pool.map(lambda url: _finding(sources, page.merchant_id, url), urls), strict=True))
    return {image_id: found[url] for image_id, url in page.sources.items()}


def _finding(sources: Sources, merchant: int, url: str) -> Finding:
    try:
        seen = sources.see(merchant, url)
        return Finding(sha256=seen.sha256, bytes=seen.bytes)
    except SourceRefused as error:
        return Finding(gone=error.code == "image_not_found", bytes=error.sent)
    except SourceUnavailable as error:
        wait = timedelta(seconds=error.wait_seconds)
        return Finding(bytes=error.sent, unanswered=wait, asked=error.counts)
    except Conflict:  # the merchant is being erased
        return Finding()
    except Unavailable:
        raise
    except Exception:  # a bug, for which the others of the page are not to wait
        log.exception("check_crashed", url=url.partition("?")[0])
        return Finding(unanswered=timedelta())


def _outcomes(found: dict[int, Finding], changed: int) -> Counter[str]:
    outcomes = Counter({"changed": changed, "same": -changed})
    for one in found.values():
        if one.sha256 is not None:
            outcomes["same"] += 1
        elif one.unanswered is not None:
            outcomes["unanswered" if one.asked else "unasked"] += 1
        else:
            outcomes["gone" if one.gone else "refused"] += 1
    return +outcomes
