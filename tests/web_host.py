"""An HTTP server on loopback whose answers a test writes."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """A server whose answers a test writes: bytes as they go over the line, or a function that sends them."""

    port: int = 0
    answers: dict[str, bytes | Callable[[BaseHTTPRequestHandler], object]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """Of requests that post something."""
    ports: list[int] = field(default_factory=list)
    """Of the clients: which connection each request came over."""
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = "images.example", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@contextmanager
def serving(context: ssl.SSLContext | None = None, *, keep_alive: bool = False) -> Iterator[Host]:
    """Serve on loopback; with ``keep_alive``, several requests on a connection."""
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"

        def do_GET(self) -> None:
            host.requests.append((self.path, dict(self.headers)))
            host.ports.append(self.client_address[1])
            said = host.answers[self.path]
            if callable(said):
                said(self)
            else:
                self.wfile.write(said)

        def do_POST(self) -> None:
            host.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # clients that go away are what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    host.port = server.server_port
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield host
    finally:
        host.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
