"""Compute how many images fit into a night, by its budget and the time until its window ends."""

from __future__ import annotations

from datetime import datetime

from shared.catalog.schedules import NightRules
from shared.queue.chunks import CHUNK_JOBS
from shared.queue.estimate import Rate
from shared.settings import Settings


def most_images(
    rules: NightRules, rate: Rate, settings: Settings, seconds: float | None
) -> tuple[int | None, list[str]]:
    """Return how many images fit into the budget and a window of ``seconds``, None for any number, and warnings."""
    limits = [] if rules.images is None else [rules.images]
    if rate.images_per_second is None:
        blind = rules.gpu_minutes is not None or seconds is not None
        unknown = "no batch has finished yet, so the rate is unknown: device minutes and window are not considered"
        return min(limits, default=None), [unknown] if blind else []
    if rules.gpu_minutes is not None:
        limits.append(int(rules.gpu_minutes * 60 / rate.devices * rate.images_per_second))
    if seconds is None:
        return min(limits, default=None), []
    room = int(seconds * rate.images_per_second)
    chunk = max(1, min(CHUNK_JOBS, int(settings.chunk_megapixels * 1e6 / settings.working_px**2)))
    if room < chunk:
        short = f"the window leaves {seconds:.0f} s, too short for a chunk of {chunk} images"
        return 0, [f"{short}: let the night end later"]
    return min([*limits, room]), []


def seconds_between(now: datetime, ends_at: datetime | None) -> float | None:
    """Return how long a window is still open; None means for ever."""
    return None if ends_at is None else max(0.0, (ends_at - now).total_seconds())
