"""Estimate duration and cost of images, from the rate of recent batches."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.settings import ALIVE_SECONDS, Settings

MEASURED_BATCHES = 20
MEASURED_IMAGES = 20
"""Smallest number of images of a batch from which the rate is measured, since smaller ones mostly measure the start."""


@dataclass(frozen=True)
class Rate:
    """Images per second of the fleet, None before it was measured, and the number of working devices, at least one."""

    images_per_second: float | None
    devices: int


@dataclass(frozen=True)
class Estimate:
    """Cost of a number of images. None means that no rate is known."""

    images: int
    seconds: float | None
    gpu_minutes: float | None
    cost: float | None


def measure_rate(connection: Connection) -> Rate:
    """Return the median rate of the last finished batches of all merchants, from acceptance to end, without reuse.

    It concerns the whole fleet, so do not call it in a transaction confined to a merchant.
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
    """Return the estimate for a number of images, at the prices of the settings."""
    if rate.images_per_second is None:
        return Estimate(images, None, None, None)
    seconds = images / rate.images_per_second
    gpu_minutes = seconds / 60 * rate.devices
    cost = gpu_minutes / 60 * settings.gpu_hour_price + images * settings.image_price
    return Estimate(images, round(seconds, 1), round(gpu_minutes, 2), round(cost, 4))
