"""A wire to a server that can be slow or cut: a proxy whose faults a test sets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.waiting import LIMIT_SECONDS, wait_until

Address = str | tuple[str, int]
"""Of a Unix socket or a port."""


@dataclass
class Wire:
    """Listens on a port of this host, and passes on what comes to ``target``."""

    target: Address
    port: int = 0
    delay_seconds: float = 0.0
    """Before each piece is passed on, either way."""
    cut_after: Callable[[bytes], bool] = lambda _: False
    """Says of what a client sent whether to pass it on and cut the line before any answer comes."""
    refuses: bool = False
    """Whether new lines are cut at once."""
    closing: threading.Event = field(default_factory=threading.Event)
    cuts: int = 0
    """Lines cut whose last request the server has answered, to nobody."""
    _cuts_begun: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lines: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)

    def stop_cutting(self) -> None:
        """Cut no line any more; return when the server has answered what was last cut off."""
        with self._lock:
            self.cut_after = lambda _: False
        wait_until(lambda: self.cuts == self._cuts_begun, "the answers that nobody hears")

    def cut_all(self) -> None:
        """Cut all lines there are; new ones may come."""
        lines, self._lines = self._lines, []
        for line in lines:
            _hang_up(*line)

    def accept(self, server: socket.socket) -> None:
        while not self.closing.is_set():
            with suppress(OSError):
                client, _ = server.accept()
                if self.refuses:
                    client.close()
                    continue
                try:
                    upstream = connect(self.target)
                except OSError:
                    client.close()
                    continue
                self._lines.append((client, upstream))
                for ends in ((client, upstream, True), (upstream, client, False)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if self.delay_seconds:
                    time.sleep(self.delay_seconds)
                with self._lock:
                    cut = asks and self.cut_after(piece)
                    self._cuts_begun += cut
                if cut:
                    with suppress(OSError):
                        source.shutdown(socket.SHUT_RDWR)  # first, so that no answer can come through
                sink.sendall(piece)
                if cut:
                    with suppress(OSError):
                        sink.recv(65536)  # the answer that nobody hears
                    with self._lock:
                        self.cuts += 1
                    break
        _hang_up(source, sink)


def connect(target: Address) -> socket.socket:
    if isinstance(target, tuple):
        return socket.create_connection(target, LIMIT_SECONDS)
    line = socket.socket(socket.AF_UNIX)
    line.connect(target)
    return line


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def wire(target: Address, host: str = "127.0.0.1") -> Iterator[Wire]:
    """Run a wire until the end of the block; it listens on one address of this host."""
    found = Wire(target)
    with socket.create_server((host, 0)) as server:
        server.settimeout(0.2)
        found.port = server.getsockname()[1]
        thread = threading.Thread(target=found.accept, args=(server,))
        thread.start()
        try:
            yield found
        finally:
            found.closing.set()
            thread.join()
            found.cut_all()
