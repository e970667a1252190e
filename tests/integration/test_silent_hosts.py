"""Hosts that accept a connection and never answer: they cost one slot a few seconds, whoever names them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import text

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import SourceUnavailable
from shared.look import Look, parse_mix
from workers.fetch import client, connection
from workers.fetch import politeness as manners
from workers.fetch.politeness import REQUESTS_PER_HOST, Manners
from workers.styling import pipeline
from workers.styling.context import open_worker_context
from workers.styling.stylize_chunk import stylize_chunk


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of every loopback address that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen(256)
        yield listener.getsockname()[1]


def style_urls(session: Session, folder: Path, urls: list[str]) -> list[int]:
    """Style one chunk of these URLs; return the attempts of its jobs, in order."""
    manifest = folder / "rows.csv"
    manifest.write_text("sku,image\n" + "".join(f"{number},{url}\n" for number, url in enumerate(urls)))
    batch = submit_batch(session, Order("shop", open_manifest([str(manifest)]), (Look(parse_mix("udnie")),))).batch
    changes = {"device": "cpu", "lanes": 1, "source_networks": (ip_network("127.0.0.0/8"),)}
    settings = session.settings.model_copy(update=changes)
    with transaction(session.engine) as connection:
        chunk = connection.execute(text("SELECT min(id) FROM chunks WHERE batch_id = :id"), {"id": batch.id}).scalar()
    assert chunk is not None
    with open_worker_context(settings, session.engine, session.store, session.broker) as context:
        stylize_chunk(context, chunk)
    with transaction(session.engine) as connection:
        state = connection.execute(text("SELECT state FROM chunks WHERE id = :id"), {"id": chunk}).scalar()
        assert state in ("waiting", "dispatched")  # not done: the next worker goes on
        jobs = connection.execute(
            text("SELECT state, attempts FROM jobs WHERE batch_id = :id ORDER BY ordinal"), {"id": batch.id}
        ).all()
    assert {job.state for job in jobs} == {"queued"}
    return [job.attempts for job in jobs]


def test_a_silent_host_is_waited_for_once(
    session: Session, tmp_path: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READ_SECONDS", 0.2)
    asked: list[str] = []

    class Counted(connection.PinnedConnection):
        def connect(self) -> None:
            asked.append(self.host)
            super().connect()

    monkeypatch.setattr(client, "PinnedConnection", Counted)
    attempts = style_urls(session, tmp_path, [f"http://127.0.0.1:{silent_port}/{n}.jpg" for n in range(12)])
    assert asked == ["127.0.0.1"]
    assert attempts == [1] * 12


def test_a_chunk_of_many_silent_hosts_goes_back_to_the_queue(
    session: Session, tmp_path: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READ_SECONDS", 0.2)
    monkeypatch.setattr(pipeline, "WASTED_SECONDS", 0.5)
    attempts = style_urls(session, tmp_path, [f"http://127.0.0.{n + 1}:{silent_port}/a.jpg" for n in range(40)])
    tried = attempts.count(1)
    assert 1 <= tried <= 3  # each took 0.2 seconds at least
    assert attempts == [1] * tried + [0] * (40 - tried)


def test_a_host_that_stays_silent_rests_twice_as_long_each_time() -> None:
    polite = Manners()
    for silences in range(3):
        polite.note_silence("images.example")
        with (
            pytest.raises(SourceUnavailable, match="did not answer a moment ago") as error,
            polite.turn("images.example", 1),
        ):
            pass
        longest = manners.SILENT_REST_SECONDS * 2**silences
        assert longest / 2 < error.value.wait_seconds <= longest


def test_a_new_host_is_asked_one_thing_at_a_time_until_it_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manners, "PATIENCE_SECONDS", 0.01)
    polite = Manners()
    with (
        polite.turn("images.example", 60),
        pytest.raises(SourceUnavailable, match="busy with our other requests") as error,
        polite.turn("images.example", 60),
    ):
        pass
    assert not error.value.counts
    everybody = threading.Barrier(REQUESTS_PER_HOST)  # breaks the test if they may not all be in at once

    def ask() -> None:
        with polite.turn("images.example", 60):
            everybody.wait(60)

    threads = [threading.Thread(target=ask) for _ in range(REQUESTS_PER_HOST)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not everybody.broken


def test_a_slow_host_is_asked_one_thing_at_a_time_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manners, "PATIENCE_SECONDS", 0.01)
    polite = Manners()
    with polite.turn("images.example", 60):
        pass
    monkeypatch.setattr(manners, "SLOW_SECONDS", 0.0)
    with polite.turn("images.example", 60):
        pass
    with (
        polite.turn("images.example", 60),
        pytest.raises(SourceUnavailable, match="busy with our other requests"),
        polite.turn("images.example", 60),
    ):
        pass


def test_a_silence_counts_however_short_the_turn_was() -> None:
    polite = Manners()
    for silences in (1, 2):
        with polite.turn("images.example", 60):
            polite.note_silence("images.example")
        with pytest.raises(SourceUnavailable) as error, polite.turn("images.example", 60):
            pass
        assert error.value.wait_seconds > manners.SILENT_REST_SECONDS * 2 ** (silences - 1) / 2
        polite.let_rest("images.example", 0, requested=False)
