"""An S3 server whose answers a test can spoil, request by request: a proxy before a real one."""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import boto3
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from shared.store import ObjectStore, StoreOptions, open_store
from tests.waiting import LIMIT_SECONDS

HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}

Answer = tuple[int, list[tuple[str, str]], bytes]
Fault = Callable[["Request"], None]


class HungUp(Exception):
    """The line is to be closed without a further word."""


@dataclass
class Request:
    """A request on its way; ``server`` takes it to the real server. A fault may change ``answer``."""

    method: str
    path: str
    server: Callable[[], Answer]
    closing: threading.Event
    answer: Answer | None = None
    cut_at: int | None = None

    def refuse(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>said a test</Message></Error>"
        self.answer = (status, [("Content-Type", "application/xml")], b"" if self.method == "HEAD" else body.encode())

    def hang(self) -> None:
        self.closing.wait()
        raise HungUp

    def delay(self, seconds: float) -> None:
        """Let the answer be late."""
        self.closing.wait(seconds)

    def cut(self) -> None:
        """Send half of the body."""
        self.answer = self.server()
        self.cut_at = len(self.answer[2]) // 2

    def damage(self) -> None:
        """Change a byte of the body."""
        status, headers, body = self.server()
        middle = len(body) // 2
        self.answer = (
            status,
            headers,
            body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body,
        )


@dataclass
class FlakyS3:
    """``fault`` is done to a request with the chance ``share``; ``hits`` counts how often."""

    port: int = 0
    bucket: str = field(default_factory=lambda: f"photos-{uuid4().hex}")
    """Another for each test: all servers of a process share what is in them."""
    fault: Fault | None = None
    share: float = 1.0
    hits: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ATELIER_STORE_URL": f"s3://{self.bucket}/atelier",
            "ATELIER_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "ATELIER_S3_ACCESS_KEY_ID": "key",
            "ATELIER_S3_SECRET_ACCESS_KEY": "secret",
            "ATELIER_S3_ADDRESSING_STYLE": "path",
        }

    def store(self, port: int) -> ObjectStore:
        """Open the store past the proxy."""
        options = StoreOptions(
            endpoint_url=f"http://127.0.0.1:{port}",
            access_key_id="key",
            secret_access_key=SecretStr("secret"),
            addressing_style="path",
        )
        return open_store(f"s3://{self.bucket}/atelier", options)

    def spoil(self, request: Request) -> None:
        if self.fault is not None and self.chance.random() < self.share:
            self.hits += 1
            self.fault(request)


@contextmanager
def flaky_s3() -> Iterator[tuple[FlakyS3, ObjectStore]]:
    """Run both servers; yield the flaky one, and a store past it."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    port = moto.get_host_and_port()[1]
    flaky = FlakyS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, lambda: self.forward(sent), flaky.closing)
            try:
                flaky.spoil(request)
            except HungUp:
                self.close_connection = True
                return
            status, headers, body = request.answer or request.server()
            self.send_response(status)
            stated = {name.lower() for name, _ in headers}
            for name, value in headers:
                self.send_header(name, value)
            if "content-length" not in stated:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: request.cut_at])
            self.close_connection = request.cut_at is not None

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any

        def forward(self, sent: bytes) -> Answer:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_SECONDS)
            try:
                line.request(self.command, self.path, sent, dict(self.headers))
                answer = line.getresponse()
                body = answer.read()
                # The length of a HEAD's answer is that of the object.
                kept = HOP - {"content-length"} if self.command == "HEAD" else HOP
                return answer.status, [(k, v) for k, v in answer.getheaders() if k.lower() not in kept], body
            finally:
                line.close()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # clients that lose patience are what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    flaky.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=flaky.bucket)
    client.close()
    try:
        yield flaky, flaky.store(port)
    finally:
        flaky.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
        moto.stop()
