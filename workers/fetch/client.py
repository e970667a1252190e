"""Fetch one source by its URL, within limits on addresses, bytes, time and requests."""

from __future__ import annotations

import http.client
import ssl
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from shared.errors import SourceRefused, SourceUnavailable
from shared.web_url import WebUrl, parse_web_url
from workers.fetch.address_guard import Reach, Resolve, resolved
from workers.fetch.connection import (
    READ_SECONDS,
    ClosedMeanwhile,
    Deadline,
    IdleConnections,
    PinnedConnection,
    Unreachable,
)
from workers.fetch.politeness import Manners, retry_after_seconds

REDIRECTS = 5
TOTAL_SECONDS = 60.0
UNREACHABLE_SECONDS = 5.0
"""How long an unreachable host is not asked again, so that its other images do not each wait for it."""

_PIECE = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_LATER = (408, 425, 429)
_GZIP = ("gzip", "x-gzip")
_REFUSED_CODINGS = ("deflate", "br", "zstd", "compress", "x-compress")


@dataclass(frozen=True)
class Validators:
    """Version of a resource that we have, for conditional requests (RFC 9110, 8.8). Both None means none."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Return headers that request the resource only if it has changed."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    """Response of a server: the bytes, or None if the resource matches the validators."""

    data: bytes | None
    validators: Validators


class Web:
    """Fetches sources from the web. All threads of a worker share one instance.

    ``seconds`` limits a whole fetch including redirects, except for the system's resolver, which has its own
    timeout. ``resolve`` and ``context`` (of TLS) default to the system's.
    """

    def __init__(
        self,
        reach: Reach,
        max_bytes: int,
        *,
        seconds: float = TOTAL_SECONDS,
        resolve: Resolve = resolved,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._reach = reach
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._resolve = resolve
        self._context = context or ssl.create_default_context()
        self._manners = Manners()
        self._idle = IdleConnections()

    def get(self, text: str, known: Validators = Validators(), *, seconds: float | None = None) -> Answer:
        """Fetch a URL and follow redirects. Each target is checked like the URL itself.

        ``seconds`` overrides the limit of this fetch.
        Raises SourceRefused, or SourceUnavailable if a retry may help.
        """
        url, deadline = parse_web_url(text), Deadline(self._seconds if seconds is None else seconds)
        for _ in range(REDIRECTS + 1):
            with self._manners.turn(url.host, deadline.left):
                answer = self._ask(url, known, deadline)
            if isinstance(answer, Answer):
                return answer
            if url.scheme == "https" and answer.scheme == "http":
                raise SourceRefused(f"{url.shown} redirects from https:// to http://: correct it", code="bad_redirect")
            url = answer
        raise SourceRefused(f"{parse_web_url(text).shown} redirects more than {REDIRECTS} times", code="bad_redirect")

    def _ask(self, url: WebUrl, known: Validators, deadline: Deadline) -> Answer | WebUrl:
        """Send a request over an idle connection or a new one; return the answer, or the target of a redirect."""
        if idle := self._idle.take(url):
            with suppress(ClosedMeanwhile):
                return self._exchange(idle, url, known, deadline)
        try:
            addresses = self._reach.addresses(url, self._resolve)
        except SourceUnavailable:
            self._manners.let_rest(url.host, UNREACHABLE_SECONDS, requested=False)
            raise
        return self._exchange(PinnedConnection(url, addresses, self._context), url, known, deadline)

    def _exchange(
        self, connection: PinnedConnection, url: WebUrl, known: Validators, deadline: Deadline
    ) -> Answer | WebUrl:
        """Send one request. Afterwards the connection is kept if the answer was read completely, else closed."""
        reusable = False
        data = bytearray()
        try:
            with (
                self._translated(url, deadline, data),
                connection.ask(url.target, _HEADERS | known.headers, deadline) as response,
            ):
                if response.status in _REDIRECTS and (location := response.headers["Location"]):
                    return url.join(_text(location))
                if response.status == 304 and known.headers:
                    reusable = not response.will_close
                    return Answer(None, known)
                self._require_content(url, response)
                self._read(url, response, data)
                if _coding(response.headers) in _GZIP:
                    data = self._unpacked(url, data)
                validators = _validators(response.headers)
            reusable = not response.will_close
        finally:
            if reusable:
                self._idle.keep(connection)
            else:
                connection.close()
        return Answer(bytes(data), validators)

    @contextmanager
    def _translated(self, url: WebUrl, deadline: Deadline, data: bytearray) -> Iterator[None]:
        """Translate errors of sockets, TLS and HTTP, and add how much of the body was received."""
        try:
            with self._own_errors(url, deadline):
                yield
        except (SourceRefused, SourceUnavailable) as error:
            error.sent = len(data)
            raise

    @contextmanager
    def _own_errors(self, url: WebUrl, deadline: Deadline) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise SourceRefused(
                f"the certificate of host {url.host} is not valid ({error.verify_message}): fix it",
                code="source_certificate",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, Unreachable):
                self._manners.let_rest(url.host, UNREACHABLE_SECONDS, requested=False)
            elif isinstance(error, TimeoutError) or deadline.left == 0:
                if deadline.seconds >= READ_SECONDS:  # a check of a few seconds says too little about the host
                    self._manners.note_silence(url.host)
                if deadline.left == 0:
                    raise _too_slow(url, deadline.seconds) from error
            reason = str(error) or type(error).__name__
            raise SourceUnavailable(f"{url.shown} cannot be fetched at present: {reason[:200]}") from error

    def _require_content(self, url: WebUrl, response: http.client.HTTPResponse) -> None:
        """Raise the error for a status other than success."""
        status = response.status
        if status in (200, 203):
            coding = _coding(response.headers)
            if coding in _REFUSED_CODINGS:
                raise SourceRefused(
                    f"{url.shown} is sent compressed ({coding}), although the request forbids it", code="source_encoded"
                )
            return
        if status in _LATER or status >= 500:
            wait = retry_after_seconds(response.headers["Retry-After"])
            if wait:
                self._manners.let_rest(url.host, wait, requested=True)
            raise SourceUnavailable(f"{url.shown} answers {status} at present", wait_seconds=wait)
        if status in (404, 410):
            raise SourceRefused(f"{url.shown} does not exist ({status}): correct the URL", code="image_not_found")
        if status in (401, 402, 403, 407, 451):
            raise SourceRefused(
                f"{url.shown} denies access ({status}): make it public, or sign the URL",
                code="source_denied",
            )
        raise SourceRefused(f"{url.shown} answers {status} instead of an image")

    def _read(self, url: WebUrl, response: http.client.HTTPResponse, data: bytearray) -> None:
        """Read the body up to the limit. It uses ``read1``, so that each read ends in time."""
        stated = response.length
        if stated is not None and stated > self._max_bytes:
            raise self._too_large(url)
        while stated is None or len(data) < stated:
            piece = response.read1(_PIECE if stated is None else min(_PIECE, stated - len(data)))
            if not piece:
                break
            data += piece
            if len(data) > self._max_bytes:
                raise self._too_large(url)
        if stated is not None and len(data) < stated:
            raise SourceUnavailable(f"{url.shown} broke off after {len(data)} of {stated} bytes")

    def _unpacked(self, url: WebUrl, data: bytearray) -> bytearray:
        """Unpack a body that its host compressed although it was asked not to, up to the limit."""
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            unpacked = unpacker.decompress(data, self._max_bytes + 1)
        except zlib.error as error:
            raise SourceRefused(f"{url.shown} is compressed and damaged ({error})", code="source_encoded") from error
        if len(unpacked) > self._max_bytes:
            raise self._too_large(url)
        if not unpacker.eof:
            raise SourceUnavailable(f"{url.shown} broke off within its compressed data")
        return bytearray(unpacked)

    def _too_large(self, url: WebUrl) -> SourceRefused:
        limit = self._max_bytes / 2**20
        return SourceRefused(
            f"{url.shown} is larger than the limit of {limit:.0f} MiB: make it smaller", code="object_too_large"
        )


_HEADERS = {
    "User-Agent": "Atelier",
    "Accept": "image/*,*/*;q=0.5",
    "Accept-Encoding": "identity",  # no compression, so no decompression bomb
}


def _too_slow(url: WebUrl, seconds: float) -> SourceUnavailable:
    return SourceUnavailable(f"{url.shown} took longer than {seconds:g} seconds")


def _coding(headers: http.client.HTTPMessage) -> str:
    """Return how a body is compressed, in lower case."""
    return (headers["Content-Encoding"] or "").strip().lower()


def _validators(headers: http.client.HTTPMessage) -> Validators:
    """Return the validators for later conditional requests; none if the answer must not be stored."""
    if "no-store" in (headers["Cache-Control"] or "").lower():
        return Validators()
    etag, last_modified = (_printable(headers[name]) for name in ("ETag", "Last-Modified"))
    return Validators(etag, last_modified)


def _printable(value: str | None) -> str | None:
    """Return a header's value if it can be stored and sent back, else None."""
    return value if value is not None and value.isascii() and value.isprintable() and len(value) <= 512 else None


def _text(header: str) -> str:
    """Return a header decoded as UTF-8, which some servers write."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")
