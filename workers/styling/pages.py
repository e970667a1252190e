"""Pages: items gathered by number and time, so that what is done together waits for nothing long."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TypeVar

PAGE_ITEMS = 64
"""Items in a page at most."""

Item = TypeVar("Item")


def pages(
    items: Iterable[Item], *, seconds: float, full: Callable[[Sequence[Item]], bool] = lambda _: False
) -> Generator[list[Item]]:
    """Gather items into pages of up to ``PAGE_ITEMS``, of less if ``full`` says so or once they take too long.

    Where ``items`` raise, what was gathered before comes first: it is done already.
    """
    page: list[Item] = []
    opened = time.monotonic()
    try:
        for item in items:
            page.append(item)
            if len(page) == PAGE_ITEMS or time.monotonic() - opened > seconds or full(page):
                yield page
                page, opened = [], time.monotonic()
    except Exception:  # raised again: only the order is ours
        if page:
            yield page
        raise
    if page:
        yield page
