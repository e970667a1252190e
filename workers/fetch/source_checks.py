"""Check whether the web sources of catalogues have changed."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine

from shared.catalog.source_checks import PAGE, CheckPage, Finding, record_findings, take_page
from shared.database import transaction
from shared.errors import Conflict, SourceRefused, SourceUnavailable, Unavailable
from workers.fetch.sources import Sources
from workers.runtime.metrics import Metrics

CHECKING_SECONDS = 5.0
"""Time after which no further page begins: the check occupies a chunk slot, and beat sends the next tick anyway."""

log = structlog.get_logger()


def check_sources(engine: Engine, sources: Sources, metrics: Metrics, now: datetime) -> Counter[str]:
    """Check the sources that are due, page by page, for some seconds; count the images by outcome.

    A page takes as long as its slowest host, at most ``SEE_SECONDS``. It stops when an import prevents recording a
    page. Raises Unavailable if our own services fail. Sources that were taken and not recorded are due again when
    their lease expires.
    """
    ends = time.monotonic() + CHECKING_SECONDS
    total: Counter[str] = Counter()
    with ThreadPoolExecutor(PAGE, "check") as pool:
        while time.monotonic() < ends:
            with transaction(engine) as connection:
                page = take_page(connection, now)
            if page is None:
                break
            if not page.sources:
                continue
            findings = _ask(pool, sources, page)
            with transaction(engine, merchant=page.merchant_id) as connection:
                changed = record_findings(connection, page, findings, now)
            if changed is None:
                log.info("checks_given_up", merchant=page.merchant_id, images=len(findings))
                break
            outcomes = _outcomes(findings, changed)
            metrics.checked(outcomes, sum(finding.bytes for finding in findings.values()))
            total += outcomes
    return total


def _ask(pool: ThreadPoolExecutor, sources: Sources, page: CheckPage) -> dict[int, Finding]:
    """Check each source of a page once, however many images have it."""
    urls = list(dict.fromkeys(page.sources.values()))
    findings = dict(zip(urls, pool.map(lambda url: _finding(sources, page.merchant_id, url), urls), strict=True))
    return {image_id: findings[url] for image_id, url in page.sources.items()}


def _finding(sources: Sources, merchant: int, url: str) -> Finding:
    try:
        state = sources.check(merchant, url)
        return Finding(sha256=state.sha256, bytes=state.bytes)
    except SourceRefused as error:
        return Finding(gone=error.code == "image_not_found", bytes=error.sent)
    except SourceUnavailable as error:
        wait = timedelta(seconds=error.wait_seconds)
        return Finding(bytes=error.sent, unanswered=wait, asked=error.counts)
    except Conflict:  # the merchant is being erased
        return Finding()
    except Unavailable:
        raise
    except Exception:  # a bug must not affect the others of the page
        log.exception("check_crashed", url=url.partition("?")[0])
        return Finding(unanswered=timedelta())


def _outcomes(findings: dict[int, Finding], changed: int) -> Counter[str]:
    outcomes = Counter({"changed": changed, "same": -changed})
    for finding in findings.values():
        if finding.sha256 is not None:
            outcomes["same"] += 1
        elif finding.unanswered is not None:
            outcomes["unanswered" if finding.asked else "unasked"] += 1
        else:
            outcomes["gone" if finding.gone else "refused"] += 1
    return +outcomes
