"""Routes for the state of the fleet: workers, queues, failures."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from producer.api.access import AdminAsking, ForAdmins
from producer.api.words import Words
from shared.merchants.merchants import find_merchant
from shared.operations import dead_letters
from shared.operations.backlog import Queue, queues
from shared.operations.dead_letters import FailureGroup, Filter
from shared.queue.fleet import Worker, list_workers

router = APIRouter(prefix="/v1/admin", tags=["fleet"], route_class=ForAdmins)


class Fleet(BaseModel):
    """Styling workers, and the queues in order of priority."""

    workers: list[Worker]
    queues: list[Queue]


class FailureGroups(BaseModel):
    """Failed images by batch and code, newest batch first; ``before`` is the cursor of the next page, if any."""

    dead_letters: list[FailureGroup]
    before: UUID | None


@router.get("/fleet")
def fleet(asking: AdminAsking) -> Fleet:
    """Show the workers, and how much work waits for how long."""
    with asking.transaction() as connection:
        return Fleet(workers=list_workers(connection), queues=queues(connection))


@router.get("/dead-letters")
def failed(
    asking: AdminAsking,
    merchant: Annotated[Words | None, Query(description="Only images of this merchant.")] = None,
    code: Annotated[
        list[Words] | None, Query(max_length=100, description="Only images with these error codes.")
    ] = None,
    before: UUID | None = None,
    limit: Annotated[
        int, Query(ge=1, le=1000, description="Number of groups; the last group's batch is completed.")
    ] = 100,
) -> FailureGroups:
    """Count the failed images of all batches by merchant, batch and error code."""
    with asking.transaction() as connection:
        whose = find_merchant(connection, merchant) if merchant is not None else None
        found = dead_letters.failure_groups(connection, Filter(whose, codes=tuple(code or ()), below=before), limit)
    return FailureGroups(dead_letters=found, before=found[-1].batch if len(found) >= limit else None)
