"""Connect to checked addresses, for the host that they belong to."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

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

    def limit(self, seconds: float) -> float:
        """Return how long one step may take, at most ``seconds``. Raises TimeoutError when the time is over."""
        left = self.left
        if left == 0:
            raise TimeoutError(f"not done within {self.seconds:g} seconds")
        return min(seconds, left)


class Unreachable(OSError):
    """None of a host's addresses accepts a connection."""


class ClosedMeanwhile(Exception):
    """The server closed an idle connection before it answered anything on it."""


class _Line(socket.socket):
    """A socket of which each step ends by a deadline: one limit for each would let a server drip bytes for ever."""

    deadline = Deadline(0)

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """Receive bytes. Raises TimeoutError."""
        self.settimeout(self.deadline.limit(READ_SECONDS))
        return super().recv_into(*arguments, **named)

    def sendall(self, *arguments: Any, **named: Any) -> None:
        """Send bytes. Raises TimeoutError."""
        self.settimeout(self.deadline.limit(READ_SECONDS))
        super().sendall(*arguments, **named)


class _TlsLine(_Line, ssl.SSLSocket):
    """The same over TLS."""


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
        self._context.sslsocket_class = _TlsLine
        self._deadline = Deadline(0)

    def __del__(self) -> None:
        self.close()

    def ask(
        self, target: str, headers: Mapping[str, str], deadline: Deadline, *, posted: bytes | None = None
    ) -> http.client.HTTPResponse:
        """Send a request and return the head of its answer, all of which is to be read by the deadline.

        It is a GET or, where something is ``posted``, a POST of that.
        Raises OSError, HTTPException, or ClosedMeanwhile.
        """
        self._deadline = deadline
        if isinstance(self.sock, _Line):
            self.sock.deadline = deadline
        try:
            self.request("GET" if posted is None else "POST", target, body=posted, headers=headers)
            return self.getresponse()
        except (OSError, http.client.HTTPException) as error:
            if self.idle_since and self._deadline.left:
                raise ClosedMeanwhile from error
            raise

    def connect(self) -> None:
        """Connect to the first address that accepts. Raises Unreachable, or OSError from TLS."""
        line = self._open()
        line.deadline = self._deadline
        self.sock = line
        if self._secure:
            wrapped = self._context.wrap_socket(line, server_hostname=self.host, do_handshake_on_connect=False)
            assert isinstance(wrapped, _TlsLine)
            self.sock = wrapped
            wrapped.deadline = self._deadline
            wrapped.settimeout(self._deadline.limit(READ_SECONDS))  # of the whole handshake
            wrapped.do_handshake()

    def _open(self) -> _Line:
        failure: OSError | None = None
        for address in self._addresses[:MOST_ADDRESSES]:
            try:
                line = socket.create_connection((address, self.port), min(CONNECT_SECONDS, self._deadline.left))
            except OSError as error:
                failure = error
            else:
                return _Line(fileno=line.detach())
        raise Unreachable(str(failure)) from failure


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
