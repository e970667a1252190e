"""Serve the state of a process over HTTP, for Prometheus and for supervisors that restart a hung process.

``/metrics`` is in Prometheus's text format. ``/livez`` answers 200 while the process makes progress; else restart it.
``/readyz`` answers 200 while the process can work; else send it no work. Both answer 503 with the reason otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from shared.errors import AtelierError, PortTaken, UsageError

log = structlog.get_logger()

Check = Callable[[], None]
"""Raises Unavailable, with the reason, if something is wrong."""


@dataclass(frozen=True)
class Monitor:
    """Checks and metrics of a process."""

    registry: CollectorRegistry
    alive: Check
    ready: Check


@contextmanager
def monitored(address: str | None, monitor: Monitor) -> Iterator[None]:
    """Serve a monitor at ``host:port`` until the block ends. Without an address, do nothing.

    Raises UsageError if the address is not valid, PortTaken if it is in use.
    """
    if address is None:
        yield
        return
    host, port = split_address(address)
    try:
        server = make_server(host, port, application(monitor), server_class=_Server, handler_class=_Handler)
    except OSError as error:
        raise PortTaken(f"cannot listen on ATELIER_MONITOR_ADDRESS {address}: {error}") from error
    thread = threading.Thread(target=server.serve_forever, name="monitor", daemon=True)
    thread.start()
    log.info("monitor_started", address=f"{host}:{server.server_port}")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def split_address(address: str) -> tuple[str, int]:
    """Split ``host:port``. Raises UsageError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"ATELIER_MONITOR_ADDRESS is {address!r}: write host:port, for example 127.0.0.1:9464")
    return host.strip("[]"), int(port)


def application(monitor: Monitor) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """Return the WSGI application of a monitor."""
    metrics: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]] = make_wsgi_app(monitor.registry)
    checks = {"/livez": monitor.alive, "/readyz": monitor.ready}

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, start)
        if path not in checks:
            return _say(start, "404 Not Found", "the paths are /metrics, /livez and /readyz")
        try:
            checks[path]()
        except AtelierError as error:
            return _say(start, "503 Service Unavailable", str(error))
        return _say(start, "200 OK", "ok")

    return answer


def _say(start: StartResponse, status: str, message: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
    return [f"{message}\n".encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds, so that a slow client does not hold a thread for longer

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, since Prometheus asks every few seconds."""
