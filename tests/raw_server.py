"""A server that answers every request with the same raw bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def answering(answer: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """Serve the same raw bytes to every request, or never answer; yield the endpoint and the requests."""
    requests: list[bytes] = []
    kept: list[socket.socket] = []
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while not stopping.is_set():
                connection, _ = server.accept()
                kept.append(connection)
                with suppress(OSError):  # a client may hang up first
                    if request := connection.recv(65536):
                        requests.append(request)
                    if answer is not None:
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", requests
        finally:
            stopping.set()
            with socket.create_connection(server.getsockname()[:2]) as last:
                last.shutdown(socket.SHUT_WR)
                thread.join()
            for connection in kept:
                connection.close()


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", "Connection: close", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def refusal(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>said so</Message></Error>"
    return http(status, body.encode(), "Content-Type: application/xml")
