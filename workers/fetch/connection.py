"""Connections to addresses that were checked, for the host that they were found under."""

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


class Unreachable(OSError):
    """None of a host's addresses takes a connection."""


class Stale(Exception):
    """A connection that was kept turns out to have been closed meanwhile: nothing was answered on it."""


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
        self._deadline = Deadline(0)
        self._line: socket.socket | None = None

    def __del__(self) -> None:
        self.close()

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Cut the line at the deadline: limits on single reads let a server that drips bytes go on for ever."""
        self._deadline = deadline
        cutter = threading.Timer(deadline.left, self._cut)
        cutter.daemon = True
        cutter.start()
        try:
            yield
        finally:
            cutter.cancel()

    def ask(self, target: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Send a request and return the head of its answer. Raises OSError, HTTPException, or Stale."""
        try:
            self.request("GET", target, headers=headers)
            return self.getresponse()
        except (OSError, http.client.HTTPException) as error:
            if self.idle_since and self._deadline.left:
                raise Stale from error
            raise

    def connect(self) -> None:
        """Connect to the first address that answers. Raises Unreachable, or OSError from TLS."""
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
        with suppress(OSError):  # it ended by itself
            if self._line is not None:
                socket.socket.shutdown(self._line, socket.SHUT_RDWR)  # not TLS's own, which would touch its state


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
