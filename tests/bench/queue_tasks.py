"""Tasks that do nothing, or write one row's state, as jobs of a plain Celery and of a plain Dramatiq."""

from __future__ import annotations

import os
from functools import lru_cache

import dramatiq
import psycopg
from celery import Celery
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

QUEUE = "jobs"

app = Celery("rival", broker=os.environ["RIVAL_BROKER"], backend=os.environ.get("RIVAL_BACKEND"))
app.conf.update(task_default_queue=QUEUE, task_ignore_result="RIVAL_BACKEND" not in os.environ)

broker = RedisBroker(client=Redis.from_url(os.environ["RIVAL_REDIS"]))  # type: ignore[no-untyped-call]
dramatiq.set_broker(broker)


@lru_cache(maxsize=1)
def database() -> psycopg.Connection:
    return psycopg.connect(os.environ["RIVAL_DATABASE"], autocommit=True)


def work(number: int, writes: bool) -> None:
    if writes:
        database().execute("UPDATE rival_jobs SET state = 'succeeded' WHERE id = %s", (number,))


@app.task(name="job")  # type: ignore[untyped-decorator]
def celery_job(number: int, writes: bool) -> None:
    """One job of a plain Celery group."""
    work(number, writes)


@dramatiq.actor(queue_name=QUEUE)
def dramatiq_job(number: int, writes: bool) -> None:
    """One job as a message of Dramatiq."""
    work(number, writes)
