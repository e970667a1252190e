"""Run the process of the API."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from producer.api import health
from producer.api.app import make_app
from shared.context import Session
from shared.errors import PortTaken
from shared.monitor import Monitor, monitored

GRACE_SECONDS = 30


def serve(session: Session, host: str, port: int, *, began: Callable[[], None] = lambda: None) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C), and answer the requests in progress. Raises PortTaken.

    Calls ``began`` once the port is ours.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    monitor = Monitor(registry, lambda: None, lambda: health.check(session))
    app = make_app(session, registry)
    config = uvicorn.Config(
        app,
        log_config=None,  # our own log has requests with ids and without addresses
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again after stopping, as if it had failed
        signal.signal(number, lambda *_: None)
    with listening(host, port) as listener, monitored(session.settings.monitor_address, monitor):
        server = uvicorn.Server(config)
        app.state.watch.stopping = lambda: server.should_exit
        began()
        server.run(sockets=[listener])


def listening(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a port in use is reported before anything else happens."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error}; choose another port with --port") from error
    # Its connections inherit this. Without it a kept-alive request waits 40 ms for the caller's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
