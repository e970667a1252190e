"""Assemble the application from its routes and middleware."""

from __future__ import annotations

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from producer.api import (
    batches,
    catalog,
    feeds,
    gates,
    health,
    problems,
    proofs,
    renditions,
    reviews,
    schedules,
    styles,
)
from producer.api.admin import fleet, models, nights, page, runs
from producer.api.limits import Limits
from producer.api.requests import Requests
from shared.context import Session

ABOUT = (
    "Restyles product photographs at catalogue scale. Errors are problem documents (RFC 9457) with a stable code. "
    "Routes below /v1/admin need an admin's key, all others a merchant's."
)


def make_app(session: Session, registry: CollectorRegistry | None = None) -> FastAPI:
    """Return the API over a session; its metrics are registered in ``registry``."""
    app = FastAPI(
        title="Atelier",
        version="1",
        description=ABOUT,
        docs_url=None,  # would load scripts from another site; use /openapi.json
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name whatever host the caller claims to have asked
        responses={"default": {"model": problems.Problem, "description": "Problem"}},
    )
    app.state.session = session
    app.state.limits = Limits(session.settings.api_requests_per_second, session.settings.api_requests_at_once)
    problems.install(app)
    app.include_router(health.router)
    for one in (
        batches,
        renditions,
        styles,
        catalog,
        feeds,
        schedules,
        reviews,
        gates,
        proofs,
        models,
        runs,
        nights,
        fleet,
        page,
    ):
        app.include_router(one.router)
    app.add_middleware(
        Requests,
        registry=registry or CollectorRegistry(),
        uploads=batches.router.prefix + batches.UPLOADS,
        upload_limit=session.settings.max_upload_mib * 2**20,
    )
    return app
