"""The Celery tasks: thin wrappers around plain functions."""

from __future__ import annotations

from celery import Celery

from shared.broker import CHECK_SOURCES, NIGHTLY, STYLE_CHUNK, SWEEP
from shared.catalog.tick import tick
from shared.database import read_clock
from shared.models.training.tick import publish_due
from shared.models.training.tick import tick as tick_training
from shared.queue.sweep import sweep
from shared.uploads.actions import sweep_uploads
from workers.fetch.source_checks import check_sources
from workers.styling.context import WorkerContext
from workers.styling.stylize_chunk import stylize_chunk


def register_tasks(app: Celery, context: WorkerContext) -> None:
    """Give the app the tasks a styling worker performs."""

    @app.task(name=STYLE_CHUNK)  # type: ignore[untyped-decorator]
    def style_chunk(chunk_id: int) -> None:
        stylize_chunk(context, chunk_id)

    @app.task(name=SWEEP)  # type: ignore[untyped-decorator]
    def sweep_once() -> None:
        context.metrics.swept(sweep(context.engine, context.broker))
        sweep_uploads(context.engine, context.store)

    @app.task(name=NIGHTLY)  # type: ignore[untyped-decorator]
    def nightly_tick() -> None:
        now = read_clock(context.engine)
        tick(context.engine, context.broker, context.settings, now)
        if tick_training(context.engine, now):
            publish_due(context.engine, context.broker)

    @app.task(name=CHECK_SOURCES)  # type: ignore[untyped-decorator]
    def check_web_sources() -> None:
        check_sources(context.engine, context.sources, context.metrics, read_clock(context.engine))
