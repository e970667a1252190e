"""Middleware around every request: its id, size limit, headers, log line and metrics."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from secrets import token_hex

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.api.problems import TooLarge, bug, problem
from shared.errors import AtelierError

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
BODY_LIMIT = 4 * 2**20
"""Limit of a body in memory, in bytes. Files are spooled to a disk and have their own limit."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)

log = structlog.get_logger()


class BrokenOff(Exception):
    """A service failed after the answer had begun, so the server cuts the connection: no bug, and no whole answer."""

    def __init__(self, error: AtelierError) -> None:
        super().__init__(str(error))
        self.code = error.code


class Requests:
    """ASGI middleware. ``upload_limit``, in bytes, applies to forms sent to ``uploads``; other bodies stay in memory.

    Unexpected errors are answered here and not by the app, so that their answer also gets the common headers.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, uploads: Collection[str], upload_limit: int) -> None:
        self._app = app
        self._uploads, self._upload_limit = uploads, upload_limit
        self._seconds = Histogram(
            "atelier_request_seconds", "Requests of the API.", ("method", "route", "status"), registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._upload_limit if scope["path"] in self._uploads else BODY_LIMIT
        exchange = _Exchange(scope, receive, send, limit)
        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request=exchange.id):
            try:
                if not exchange.too_large:
                    await self._app(scope, exchange.receive, exchange.send)
                if exchange.too_large:
                    refusal = problem(413, _limit_of(exchange.limit), TooLarge.code)
                    await refusal(scope, receive, exchange.answer)
            except BrokenOff as error:
                log.warning("answer_broken_off", code=error.code, error=str(error))
                raise
            except Exception:  # a bug: the caller gets a problem with an id and no traceback
                log.exception("request_failed")
                if exchange.begun:  # break off, so that the client does not take the answer for complete
                    raise
                await bug()(scope, receive, exchange.answer)
            finally:
                scope.get("leave", lambda: None)()
                seconds = time.perf_counter() - began
                method = scope["method"] if scope["method"] in METHODS else "other"  # callers may invent any number
                route = getattr(
                    scope.get("route"), "path", "none"
                )  # not the path itself, which callers can choose freely
                self._seconds.labels(method, route, str(exchange.status)).observe(seconds)
                log.info("request", method=method, route=route, status=exchange.status, seconds=round(seconds, 4))


class _Exchange:
    """Request and answer as the app sees them."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")
        self.id = request_id if ID.fullmatch(request_id) else token_hex(8)
        multipart = headers.get(b"content-type", b"").startswith(b"multipart/form-data")
        self.limit = limit if multipart else BODY_LIMIT
        self.status = 500
        self.begun = False
        self._scope, self._receive, self._send = scope, receive, send
        told = headers.get(b"content-length", b"0")
        self._left = self.limit
        self.too_large = told.isdigit() and int(told) > self.limit

    async def receive(self) -> Message:
        """Count the bytes received, so that a missing or false length makes no difference."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.too_large = True
            raise TooLarge(_limit_of(self.limit))
        return message

    async def send(self, message: Message) -> None:
        """Pass an answer on, unless the request was too large, which body parsers turn into another error."""
        if not self.too_large:
            await self.answer(message)

    async def answer(self, message: Message) -> None:
        """Send with the common headers."""
        if message["type"] == "http.response.start":
            self.status, self.begun = message["status"], True
            named = {name.lower() for name, _ in message["headers"]}
            extra = [one for one in HEADERS if one[0] not in named]
            allowance = self._scope.get("allowance", {})  # of the key, where there was one
            extra += [(name.lower().encode(), value.encode()) for name, value in allowance.items()]
            message["headers"] = [*message["headers"], *extra, (b"x-request-id", self.id.encode())]
        await self._send(message)


def _limit_of(limit: int) -> str:
    return f"the request is larger than the limit of {limit} bytes"
