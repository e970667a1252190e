import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.broker import Broker
from tests.waiting import LIMIT_SECONDS
from workers.styling.pages import pages
from workers.styling.previews import PreviewSlot


def test_a_worker_that_drains_does_not_wait_for_a_broker_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, failed = Broker(f"redis+socket://{tmp_path}/nobody.sock"), threading.Event()
    draining = threading.Event()
    slot = PreviewSlot(broker, cast(Any, SimpleNamespace(draining=draining)))
    monkeypatch.setattr(slot, "on_connection_error", lambda *_: failed.set())
    slot.start()
    assert failed.wait(LIMIT_SECONDS)
    draining.set()
    slot.join()
    broker.app.close()


def test_what_was_gathered_before_an_error_is_not_lost() -> None:
    def items() -> Any:
        yield from "ab"
        raise ConnectionError

    gathered = pages(items(), seconds=LIMIT_SECONDS)
    assert next(gathered) == ["a", "b"]
    with pytest.raises(ConnectionError):
        next(gathered)
