"""One connection to an address that was checked, for a host that the address was found under."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from shared.web_url import WebUrl

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0


class Deadline:
    """The moment by which a fetch must have ended."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; 0 when it is over."""
        return max(0.0, self._ends - time.monotonic())


class PinnedConnection(http.client.HTTPConnection):
    """Speaks to the URL's host (``Host``, SNI and certificate) and connects to nothing but ``addresses``.

    At the deadline the line is cut, since time limits on single reads let a server go on for ever that
    sends a byte now and then. ``context`` is that of TLS; proxies of the environment are not asked.
    """

    def __init__(self, url: WebUrl, addresses: Sequence[str], deadline: Deadline, context: ssl.SSLContext) -> None:
        self.default_port = url.default_port  # which is left out of the Host header
        super().__init__(url.host, url.port)
        self._url = url
        self._addresses = addresses
        self._deadline = deadline
        self._context = context
        self._line: socket.socket | None = None
        self._cutter = threading.Timer(deadline.left, self._cut)
        self._cutter.daemon = True

    def connect(self) -> None:
        """Connect to the first address that answers. Raises OSError."""
        self.sock = self._line = self._open()
        self._cutter.start()
        if self._url.scheme == "https":
            wrapped = self._context.wrap_socket(
                self.sock, server_hostname=self._url.host, do_handshake_on_connect=False
            )
            self.sock = self._line = wrapped
            wrapped.do_handshake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Not in close(), which the standard library calls when the answer's body has yet to be read.
        self._cutter.cancel()
        self.close()

    def _open(self) -> socket.socket:
        failure: OSError = TimeoutError("no time left to connect")
        for address in self._addresses:
            try:
                line = socket.create_connection((address, self._url.port), min(CONNECT_SECONDS, self._deadline.left))
            except OSError as error:
                failure = error
            else:
                line.settimeout(READ_SECONDS)
                return line
        raise failure

    def _cut(self) -> None:
        with suppress(OSError):  # it ended by itself
            if self._line is not None:
                socket.socket.shutdown(self._line, socket.SHUT_RDWR)  # not TLS's own, which would touch its state
