"""Fetching one source by its URL: guarded, bounded and polite."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from shared.errors import SourceRefused, SourceUnavailable
from shared.web_url import WebUrl, parse_web_url
from workers.fetch.connection import Deadline, IdleConnections, PinnedConnection, Stale, Unreachable
from workers.fetch.manners import Manners, retry_after_seconds
from workers.fetch.reach import Reach, Resolve, resolved

REDIRECTS = 5
TOTAL_SECONDS = 60.0
UNREACHABLE_SECONDS = 5.0
"""For which a host is not asked again that could not be reached: its other images need not find out one by one."""

_PIECE = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_LATER = (408, 425, 429)
_CODINGS = ("gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress")


@dataclass(frozen=True)
class Validators:
    """What tells a server which version of a resource we have (RFC 9110, 8.8). Both None: we have none."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that ask for the resource only if it is another."""
        found = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    """What a server sent: its bytes, or None where they are those that the validators named."""

    data: bytes | None
    validators: Validators


class Web:
    """Fetches sources from the web. One instance is shared by all threads of a worker.

    ``seconds`` bounds a whole fetch, redirects included, but for the system's resolver, which keeps its own
    time. ``resolve`` and ``context`` (of TLS) are the system's unless others are given.
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
        """Fetch a URL, following redirects, each of which is checked as the URL itself was.

        ``seconds`` bounds this fetch instead of what bounds all.
        Raises SourceRefused, or SourceUnavailable where trying later may help.
        """
        url, deadline = parse_web_url(text), Deadline(self._seconds if seconds is None else seconds)
        for _ in range(REDIRECTS + 1):
            with self._manners.turn(url.host, deadline.left):
                answer = self._ask(url, known, deadline)
            if isinstance(answer, Answer):
                return answer
            if url.scheme == "https" and answer.scheme == "http":
                raise SourceRefused(f"{url.shown} leads from https:// to http://: correct it", code="bad_redirect")
            url = answer
        raise SourceRefused(f"{parse_web_url(text).shown} leads on more than {REDIRECTS} times", code="bad_redirect")

    def _ask(self, url: WebUrl, known: Validators, deadline: Deadline) -> Answer | WebUrl:
        """Ask over a connection that was kept, or a new one; return the answer, or where it redirects to."""
        if kept := self._idle.take(url):
            with suppress(Stale):
                return self._exchange(kept, url, known, deadline)
        try:
            addresses = self._reach.addresses(url, self._resolve)
        except SourceUnavailable:
            self._manners.let_rest(url.host, UNREACHABLE_SECONDS, told=False)
            raise
        return self._exchange(PinnedConnection(url, addresses, self._context), url, known, deadline)

    def _exchange(
        self, connection: PinnedConnection, url: WebUrl, known: Validators, deadline: Deadline
    ) -> Answer | WebUrl:
        """Send one request. The connection is kept if its answer was read to the end, else closed."""
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
        """Turn what sockets, TLS and HTTP raise into our own errors, which know how much of the body had come."""
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
                f"the certificate of host {url.host} is not valid for it ({error.verify_message}): have it mended",
                code="source_certificate",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, Unreachable):
                self._manners.let_rest(url.host, UNREACHABLE_SECONDS, told=False)
            elif deadline.left == 0:
                raise _too_slow(url, deadline.seconds) from error
            what = str(error) or type(error).__name__
            raise SourceUnavailable(f"{url.shown} cannot be fetched at present: {what[:200]}") from error

    def _require_content(self, url: WebUrl, response: http.client.HTTPResponse) -> None:
        """Raise what a status other than success means."""
        status = response.status
        if status in (200, 203):
            coding = (response.headers["Content-Encoding"] or "").strip().lower()
            if coding in _CODINGS:
                raise SourceRefused(
                    f"{url.shown} comes compressed ({coding}), though asked to be sent as it is", code="source_encoded"
                )
            return
        if status in _LATER or status >= 500:
            wait = retry_after_seconds(response.headers["Retry-After"])
            if wait:
                self._manners.let_rest(url.host, wait, told=True)
            raise SourceUnavailable(f"{url.shown} answers {status} at present", wait_seconds=wait)
        if status in (404, 410):
            raise SourceRefused(f"{url.shown} does not exist ({status}): correct the URL", code="image_not_found")
        if status in (401, 402, 403, 407, 451):
            raise SourceRefused(
                f"{url.shown} may not be read by us ({status}): let everyone read it, or sign the URL",
                code="source_denied",
            )
        raise SourceRefused(f"{url.shown} answers {status} and no image")

    def _read(self, url: WebUrl, response: http.client.HTTPResponse, data: bytearray) -> None:
        """Read the body, at most as many bytes as are allowed. ``read1``, so that each read ends in time."""
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

    def _too_large(self, url: WebUrl) -> SourceRefused:
        limit = self._max_bytes / 2**20
        return SourceRefused(
            f"{url.shown} is over the limit of {limit:.0f} MiB: make it smaller", code="object_too_large"
        )


_HEADERS = {
    "User-Agent": "Atelier",
    "Accept": "image/*,*/*;q=0.5",
    "Accept-Encoding": "identity",  # nothing to unpack, so nothing to explode
}


def _too_slow(url: WebUrl, seconds: float) -> SourceUnavailable:
    return SourceUnavailable(f"{url.shown} took longer than {seconds:g} seconds")


def _validators(headers: http.client.HTTPMessage) -> Validators:
    """Return what the answer may be asked for by later; none where it must not be kept."""
    if "no-store" in (headers["Cache-Control"] or "").lower():
        return Validators()
    etag, last_modified = (_printable(headers[name]) for name in ("ETag", "Last-Modified"))
    return Validators(etag, last_modified)


def _printable(value: str | None) -> str | None:
    """Return a header's value as it can be stored and sent back, None where it is no such thing."""
    return value if value is not None and value.isascii() and value.isprintable() and len(value) <= 512 else None


def _text(header: str) -> str:
    """Return a header's bytes as the UTF-8 that some servers write there."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")
