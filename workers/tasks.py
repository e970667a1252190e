"""The Celery tasks: thin wrappers around plain functions."""

from __future__ import annotations

from datetime import UTC, datetime

from celery import Celery

from shared.broker import CHECK_SOURCES, NIGHTLY, STYLE_CHUNK, SWEEP
from shared.catalog.tick import tick
from shared.sweep import sweep
from shared.training.tick import publish_due
from shared.training.tick import tick as tick_training
from workers.checks import check_sources
from workers.studio import Studio
from workers.stylize import stylize_chunk


def register_tasks(app: Celery, studio: Studio) -> None:
    """Give the app the tasks a styling worker performs."""

    @app.task(name=STYLE_CHUNK)  # type: ignore[untyped-decorator]
    def style_chunk(chunk_id: int) -> None:
        stylize_chunk(studio, chunk_id)

    @app.task(name=SWEEP)  # type: ignore[untyped-decorator]
    def sweep_once() -> None:
        sweep(studio.engine, studio.broker)

    @app.task(name=NIGHTLY)  # type: ignore[untyped-decorator]
    def nightly_tick() -> None:
        now = datetime.now(UTC)
        tick(studio.engine, studio.broker, studio.settings, now)
        if tick_training(studio.engine, now):
            publish_due(studio.engine, studio.broker)

    @app.task(name=CHECK_SOURCES)  # type: ignore[untyped-decorator]
    def check_web_sources() -> None:
        check_sources(studio.engine, studio.sources, studio.metrics, datetime.now(UTC))
