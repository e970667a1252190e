"""What a night takes: images a second as measured on recent batches, device time, and money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from shared.catalog.schedules import NightRules
from shared.chunks import CHUNK_JOBS
from shared.fleet import ALIVE_SECONDS
from shared.settings import Settings

MEASURED_BATCHES = 20
MEASURED_IMAGES = 20
"""A batch that made fewer images tells more of its start than of the rate."""


@dataclass(frozen=True)
class Rate:
    """Images that the fleet makes in a second, None before it was measured; and devices now at work, at least one."""

    images_per_second: float | None
    devices: int


@dataclass(frozen=True)
class Estimate:
    """What some images take. None where no rate is known."""

    images: int
    seconds: float | None
    gpu_minutes: float | None
    cost: float | None


def measure_rate(connection: Connection) -> Rate:
    """Return the median rate of the last finished batches, everybody's, from acceptance to end, reused ones left out.

    A figure of the fleet, so not for a transaction that is confined to a merchant.
    """
    row = connection.execute(
        text("""
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY made / seconds) AS rate,
               (SELECT count(*) FROM workers
                WHERE heartbeat_at > clock_timestamp() - make_interval(secs => :alive)) AS devices
        FROM (SELECT succeeded - reused AS made, extract(epoch FROM finished_at - created_at) AS seconds
              FROM batches
              WHERE finished_at IS NOT NULL AND state = 'finished' AND queue <> 'preview'
                AND succeeded - reused >= :images
              ORDER BY finished_at DESC LIMIT :batches) recent
        WHERE seconds > 0
        """),
        {"images": MEASURED_IMAGES, "batches": MEASURED_BATCHES, "alive": ALIVE_SECONDS},
    ).one()
    return Rate(None if row.rate is None else float(row.rate), max(1, row.devices))


def estimate(images: int, rate: Rate, settings: Settings) -> Estimate:
    """Return what so many images take, at the prices of the settings."""
    if rate.images_per_second is None:
        return Estimate(images, None, None, None)
    seconds = images / rate.images_per_second
    gpu_minutes = seconds / 60 * rate.devices
    cost = gpu_minutes / 60 * settings.gpu_hour_price + images * settings.image_price
    return Estimate(images, round(seconds, 1), round(gpu_minutes, 2), round(cost, 4))


def most_images(
    rules: NightRules, rate: Rate, settings: Settings, seconds: float | None
) -> tuple[int | None, list[str]]:
    """Return how many images the budget and a window of so many seconds leave room for, None for any, and warnings."""
    limits = [] if rules.images is None else [rules.images]
    if rate.images_per_second is None:
        blind = rules.gpu_minutes is not None or seconds is not None
        unknown = "no batch was finished yet, so the rate is unknown: device minutes and window cannot be planned for"
        return min(limits, default=None), [unknown] if blind else []
    if rules.gpu_minutes is not None:
        limits.append(int(rules.gpu_minutes * 60 / rate.devices * rate.images_per_second))
    if seconds is None:
        return min(limits, default=None), []
    room = int(seconds * rate.images_per_second)
    chunk = max(1, min(CHUNK_JOBS, int(settings.chunk_megapixels * 1e6 / settings.working_px**2)))
    if room < chunk:
        short = f"the window leaves {seconds:.0f} s, in which not even a chunk of {chunk} images is made"
        return 0, [f"{short}: let it end later"]
    return min([*limits, room]), []


def seconds_between(now: datetime, ends_at: datetime | None) -> float | None:
    """Return how long a window is still open; None: for ever."""
    return None if ends_at is None else max(0.0, (ends_at - now).total_seconds())
