"""Assemble the application from its routes and middleware."""

from __future__ import annotations

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from producer.api import (
    archives,
    backgrounds,
    batches,
    catalog,
    error_codes,
    events,
    feeds,
    gallery,
    gates,
    health,
    presets,
    previews,
    problems,
    proofs,
    renditions,
    reviews,
    schedules,
    styles,
    uploads,
    usage,
    webhooks,
)
from producer.api.admin import fleet, models, nights, page, runs
from producer.api.limits import Limits
from producer.api.pages import (
    batch,
    batch_files,
    home,
    pictures,
    sign_in,
    static_files,
    style_pictures,
    upload,
    upload_files,
)
from producer.api.pages import usage as usage_page
from producer.api.requests import Requests
from producer.api.watch import BatchWatch
from shared.context import Session

STREAMS_AT_ONCE = 500
"""Streams of events that one merchant may have open in a process: each costs a connection and little else."""

WRONG_KEYS_PER_SECOND = 2.0
"""Wrong keys that one address may show. Guessing a key is hopeless; this keeps the attempts from costing much."""

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
    app.state.streams = Limits(session.settings.api_requests_per_second, STREAMS_AT_ONCE)
    app.state.archives = Limits(session.settings.api_requests_per_second, archives.ARCHIVES_AT_ONCE)
    app.state.watch = BatchWatch(session)
    app.state.wrong_keys = Limits(WRONG_KEYS_PER_SECOND, STREAMS_AT_ONCE)
    problems.install(app)
    app.include_router(health.router)
    for one in (
        archives,
        batches,
        gallery,
        events,
        renditions,
        styles,
        backgrounds,
        presets,
        catalog,
        feeds,
        schedules,
        reviews,
        gates,
        proofs,
        webhooks,
        usage,
        uploads,
        previews,
        models,
        runs,
        nights,
        fleet,
        page,
        sign_in,
        home,
        upload_files,
        upload,
        style_pictures,
        batch_files,
        pictures,
        batch,
        error_codes,
        usage_page,
        static_files,
    ):
        app.include_router(one.router)
    app.add_middleware(
        Requests,
        registry=registry or CollectorRegistry(),
        uploads=(batches.router.prefix + batches.UPLOADS, upload.FORM),
        upload_limit=session.settings.max_upload_mib * 2**20,
    )
    return app
