"""What a process tells of itself over HTTP, and the alerts that go by it."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch
import yaml
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from shared.errors import PortTaken, Unavailable, UsageError
from shared.monitor import Monitor, monitored, split_address
from shared.queue.jobs import Failed, PutBack
from shared.queue.outcomes import Succeeded
from shared.queue.sweep import Swept
from tests.ports import free_port
from tests.waiting import LIMIT_SECONDS
from workers.runtime.metrics import Metrics

ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yml"
IN_POSTGRES = Path(__file__).parents[2] / "shared" / "operations" / "backlog.py"


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=LIMIT_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


def test_a_process_tells_whether_it_lives_is_ready_and_what_it_has_done() -> None:
    registry = CollectorRegistry()
    Counter("done", "Things done.", registry=registry).inc(3)
    ill: list[str] = []

    def ready() -> None:
        if ill:
            raise Unavailable(ill[0])

    address = free_address()
    with monitored(address, Monitor(registry, lambda: None, ready)):
        assert get(address, "/livez") == (200, "ok\n")
        assert get(address, "/readyz") == (200, "ok\n")
        ill.append("the store is away")
        assert get(address, "/readyz") == (503, "the store is away\n")
        assert get(address, "/livez")[0] == 200
        assert "done_total 3.0" in get(address, "/metrics")[1]
        assert get(address, "/etc/passwd")[0] == 404


def test_an_address_that_is_taken_or_none_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(PortTaken, match=taken),
            monitored(taken, Monitor(CollectorRegistry(), lambda: None, lambda: None)),
        ):
            pass
    for wrong in ("9464", "localhost:", "localhost:http", "localhost:70000"):
        with pytest.raises(UsageError, match="host:port"):
            split_address(wrong)
    assert split_address("[::1]:9464") == ("::1", 9464)


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def test_a_worker_counts_outcomes_minibatches_and_what_its_device_does() -> None:
    metrics = Metrics()
    metrics.finished([Succeeded(0, (), ()), Failed(1, "unreadable_image", "no image"), PutBack(2, 5.0)])
    metrics.swept(Swept(expired=2))
    photos = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    paint = metrics.timed(lambda trunk, photos, areas, rows: photos, lanes=2)
    assert paint("trunk", photos, photos, photos) is photos
    with pytest.raises(ValueError, match="spoilt"), metrics.stage("decode"):
        raise ValueError("spoilt")
    found = values(metrics)
    assert found["atelier_images_total", "reused", ""] == 1
    assert found["atelier_images_total", "failed", "unreadable_image"] == 1
    assert found["atelier_images_total", "put_back", ""] == 1
    assert found["atelier_swept_total", "expired_leases"] == 2
    assert found["atelier_minibatch_images_sum",] == 3
    assert found["atelier_stage_seconds_count", "decode"] == 1
    assert found["atelier_stage_seconds_count", "paint"] == 1
    assert found["atelier_lanes",] == 2


def test_every_alert_goes_by_figures_that_there_are_and_says_why() -> None:
    worker = Metrics()
    worker.show_breaker(lambda: 0.0)
    worker.finished([Succeeded(0, (), ())])
    from prometheus_client import generate_latest

    known = {
        sample.name
        for family in text_string_to_metric_families(generate_latest(worker.registry).decode())
        for sample in family.samples
    } | set(re.findall(r'"(atelier_\w+)"', IN_POSTGRES.read_text()))
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    for rule in rules:
        assert set(re.findall(r"atelier_\w+", rule["expr"])) <= known, rule["alert"]
        assert {"summary", "why"} <= rule["annotations"].keys()
        assert rule["labels"]["severity"] in ("page", "ticket")
