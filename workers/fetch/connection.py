"""Connections to addresses that were checked, for the host that they were found under."""

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
"""Tried for one request: a name may stand for thousands, of machines that have nothing to do with it."""


class Deadline:
    """The moment by which a fetch must have ended, ``seconds`` after it began."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; 0 when it is over."""
        return max(0.0, self._ends - time.monotonic())

    def limit(self, seconds: float) -> float:
        """Return how long one step may take, at most ``seconds``. Raises TimeoutError when the time is over."""
        left = self.left
        if left == 0:
            raise TimeoutError(f"not done within {self.seconds:g} seconds")
        return min(seconds, left)


class Unreachable(OSError):
    """None of a host's addresses takes a connection."""


class Stale(Exception):
    """A connection that was kept turns out to have been closed meanwhile: nothing was answered on it."""


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
    """Speaks to a URL's host (``Host``, SNI and certificate) and connects to nothing but ``addresses``.

    ``context`` is that of TLS; proxies of the environment are not asked.
    """

    def __init__(self, url: WebUrl, addresses: Sequence[str], context: ssl.SSLContext) -> None:
        self.default_port = url.default_port  # which is left out of the Host header
        super().__init__(url.host, url.port)
        self.origin = url.origin
        self.idle_since = 0.0  # above 0 once it was kept
        self._secure = url.scheme == "https"
        self._addresses = addresses
        self._context = context
        self._context.sslsocket_class = _TlsLine
        self._deadline = Deadline(0)

    def __del__(self) -> None:
        self.close()

    def ask(self, target: str, headers: Mapping[str, str], deadline: Deadline) -> http.client.HTTPResponse:
        """Send a request and return the head of its answer, all of which is to be read by the deadline.

        Raises OSError, HTTPException, or Stale.
        """
        self._deadline = deadline
        if isinstance(self.sock, _Line):
            self.sock.deadline = deadline
        try:
            self.request("GET", target, headers=headers)
            return self.getresponse()
        except (OSError, http.client.HTTPException) as error:
            if self.idle_since and self._deadline.left:
                raise Stale from error
            raise

    def connect(self) -> None:
        """Connect to the first address that answers. Raises Unreachable, or OSError from TLS."""
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
    """Connections kept open for the next request to their host. Shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[PinnedConnection] = []  # the longest idle first

    def take(self, url: WebUrl) -> PinnedConnection | None:
        """Return the connection to a host that was used last, if it may still be open."""
        with self._lock:
            while self._kept and time.monotonic() - self._kept[0].idle_since > IDLE_SECONDS:
                self._kept.pop(0).close()
            found = next((one for one in reversed(self._kept) if one.origin == url.origin), None)
            if found is not None:
                self._kept.remove(found)
            return found

    def keep(self, connection: PinnedConnection) -> None:
        """Keep a connection whose last answer was read to its end."""
        with self._lock:
            connection.idle_since = time.monotonic()
            self._kept.append(connection)
            if len(self._kept) > MOST_IDLE:
                self._kept.pop(0).close()
