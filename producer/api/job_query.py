"""Filter of a batch's images, as the query of a route or of a page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator

from shared.queue.job_search import JobFilter
from shared.queue.jobs import JobState

STORABLE = r"^[^\x00]*$"


@dataclass(frozen=True)
class JobQuery:
    """Query parameters of a filter; an empty text is none, since forms send those."""

    state: Annotated[JobState | None, BeforeValidator(lambda text: text or None), Query()] = None
    style: Annotated[str, Query(max_length=200, pattern=STORABLE, description="Only images in this style.")] = ""
    preset: Annotated[
        str, Query(max_length=200, pattern=STORABLE, description="Only images with a rendition for this preset.")
    ] = ""
    code: Annotated[
        str, Query(max_length=100, pattern=STORABLE, description="Only images that failed with this code.")
    ] = ""
    sku: Annotated[str, Query(max_length=200, pattern=STORABLE, description="Only images whose sku has this part.")] = (
        ""
    )
    held: Annotated[bool, Query(description="Only images that wait for review.")] = False

    @property
    def filter(self) -> JobFilter:
        """Return the filter."""
        return JobFilter(**asdict(self))
