"""``atelier up``: one command that starts everything, and ends with nothing left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
import pytest

from shared import embedded
from tests.browser import OWN
from tests.processes import start_atelier
from tests.waiting import wait_until


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def belonging_to(home: Path) -> list[int]:
    """The processes that have this home in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"ATELIER_HOME={home}\0".encode() in place.read_bytes() and place.parent.name != str(os.getpid()):
                found.append(int(place.parent.name))
    return found


@pytest.fixture
def running(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    process = start_atelier(tmp_path / "home", "up", "--port", str(port), "--merchant", "lamp-shop")
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    embedded.stop(tmp_path / "home")


def test_it_prints_a_link_for_one_browser_works_and_leaves_nothing(
    tmp_path: Path, port: int, running: subprocess.Popen[str]
) -> None:
    assert running.stdout
    links = [running.stdout.readline().strip() for _ in range(2)]
    address = f"http://127.0.0.1:{port}"
    codes = [one.removeprefix(f"{address}/sign-in#code=") for one in links]
    with httpx.Client(base_url=address, headers=OWN) as browser:
        signed_in = [browser.post("/sign-in", data={"secret": code}).headers.get("location") for code in codes]
        assert signed_in == ["/", "/admin"]
        assert browser.post("/sign-in", data={"secret": codes[0]}).status_code == 401
        wait_until(lambda: "alive" in browser.get("/admin").text, "the worker")
    second = start_atelier(tmp_path / "home", "up", "--port", str(port))
    told = second.communicate()[1]
    assert second.returncode == 6
    assert "cannot listen on" in told.splitlines()[0]
    assert "Traceback" not in told
    running.send_signal(signal.SIGINT)
    told = running.communicate()[1]
    assert running.returncode == 0
    assert "Traceback" not in told
    wait_until(lambda: belonging_to(tmp_path / "home") == [], "all that it started to end")


def test_what_it_started_ends_with_it_even_when_it_is_killed(tmp_path: Path, running: subprocess.Popen[str]) -> None:
    assert running.stdout
    running.stdout.readline()
    assert len(belonging_to(tmp_path / "home")) > 3
    running.kill()
    wait_until(lambda: belonging_to(tmp_path / "home") == [], "all that it started to end")
