"""Connect to checked addresses, for the host that they belong to."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from shared.web_url import WebUrl

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
IDLE_SECONDS = 15.0
MOST_IDLE = 32
MOST_ADDRESSES = 4
"""Addresses tried for one request: a name may have thousands, of unrelated machines."""


class Deadline:
    """Time by which a fetch must have ended, ``seconds`` after it began."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Return the seconds that are left, at least 0."""
        return max(0.0, self._ends - time.monotonic())


class Unreachable(OSError):
    """None of a host's addresses accepts a connection."""


class ClosedMeanwhile(Exception):
    """The server closed an idle connection before it answered anything on it."""


class PinnedConnection(http.client.HTTPConnection):
    """Connects to one of ``addresses`` only, and uses the URL's host for ``Host``, SNI and the certificate.

    ``context`` is that of TLS. Proxies of the environment are ignored.
    """

    def __init__(self, url: WebUrl, addresses: Sequence[str], context: ssl.SSLContext) -> None:
        self.default_port = url.default_port  # the Host header leaves out this port
        super().__init__(url.host, url.port)
        self.origin = url.origin
        self.idle_since = 0.0  # above 0 after it was kept
        self._secure = url.scheme == "https"
        self._addresses = addresses
        self._context = context
        self._deadline = Deadline(0)
        self._line: socket.socket | None = None

    def __del__(self) -> None:
        self.close()

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Close the connection at the deadline. Timeouts of single reads would let a server drip bytes for ever."""
        self._deadline = deadline
        cutter = threading.Timer(deadline.left, self._cut)
        cutter.daemon = True
        cutter.start()
        try:
            yield
        finally:
            cutter.cancel()

    def ask(self, target: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Send a request and return the head of its answer. Raises OSError, HTTPException, or ClosedMeanwhile."""
        try:
            self.request("GET", target, headers=headers)
            return self.getresponse()
        except (OSError, http.client.HTTPException) as error:
            if self.idle_since and self._deadline.left:
                raise ClosedMeanwhile from error
            raise

    def connect(self) -> None:
        """Connect to the first address that accepts. Raises Unreachable, or OSError from TLS."""
        self.sock = self._line = self._open()
        if self._secure:
            wrapped = self._context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = self._line = wrapped
            wrapped.do_handshake()

    def _open(self) -> socket.socket:
        failure: OSError | None = None
        for address in self._addresses[:MOST_ADDRESSES]:
            try:
                line = socket.create_connection((address, self.port), min(CONNECT_SECONDS, self._deadline.left))
            except OSError as error:
                failure = error
            else:
                line.settimeout(READ_SECONDS)
                return line
        raise Unreachable(str(failure)) from failure

    def _cut(self) -> None:
        with suppress(OSError):  # it is closed already
            if self._line is not None:
                socket.socket.shutdown(
                    self._line, socket.SHUT_RDWR
                )  # not the TLS socket's method, which would change its state


class IdleConnections:
    """Connections kept open for the next request to their host. All threads share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[PinnedConnection] = []  # the longest idle first

    def take(self, url: WebUrl) -> PinnedConnection | None:
        """Return the most recently used connection to a host that may still be open, or None."""
        with self._lock:
            while self._kept and time.monotonic() - self._kept[0].idle_since > IDLE_SECONDS:
                self._kept.pop(0).close()
            idle = next((kept for kept in reversed(self._kept) if kept.origin == url.origin), None)
            if idle is not None:
                self._kept.remove(idle)
            return idle

    def keep(self, connection: PinnedConnection) -> None:
        """Keep a connection whose last answer was read completely."""
        with self._lock:
            connection.idle_since = time.monotonic()
            self._kept.append(connection)
            if len(self._kept) > MOST_IDLE:
                self._kept.pop(0).close()
