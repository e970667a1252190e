"""Beat's ticks: without a worker that takes them, Redis does not grow."""

from __future__ import annotations

from datetime import timedelta

import structlog.testing
from celery.beat import ScheduleEntry
from celery.schedules import schedule

from shared.broker import CONTROL_QUEUE, SWEEP, Broker
from shared.context import Session
from workers.process.ticks import MOST_WAITING, tick_scheduler


def test_ticks_stop_while_no_worker_takes_them_and_go_on_afterwards(session: Session) -> None:
    app, sent = session.broker.app, []
    scheduler = tick_scheduler(session.broker, lambda: sent.append(1))(app=app, schedule={}, lazy=True)
    entry = ScheduleEntry(
        name="sweep", task=SWEEP, schedule=schedule(timedelta(seconds=1)), options={"queue": CONTROL_QUEUE}, app=app
    )
    with structlog.testing.capture_logs() as logs:
        for _ in range(3 * MOST_WAITING):
            scheduler.apply_entry(entry)
    assert [one["event"] for one in logs] == ["ticks_left_out"]  # said once
    assert session.broker.ticks_held() == MOST_WAITING
    assert len(sent) == 2 * MOST_WAITING  # beat is alive all the same
    with app.connection_for_write() as connection:
        connection.default_channel.client.flushall()
    scheduler.apply_entry(entry)
    assert session.broker.ticks_held() == 1


def test_an_outage_of_redis_is_told_by_sending(session: Session) -> None:
    down = Broker(f"redis+socket://{session.settings.home}/nobody.sock")
    down.app.conf.update(broker_connection_retry=False, task_publish_retry=False)
    scheduler = tick_scheduler(down, lambda: None)(app=down.app, schedule={}, lazy=True)
    entry = ScheduleEntry(name="sweep", task=SWEEP, schedule=schedule(timedelta(seconds=1)), options={}, app=down.app)
    scheduler.apply_entry(entry)  # logs the error, as every scheduler of Celery does
    down.app.close()
