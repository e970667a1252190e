"""Parse web URLs, and refuse bad ones by their text alone.

Manifests are checked with it when they are read, and every hop of a fetch again. The connection uses the parts
found here and parses nothing a second time, so check and connection cannot differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from shared.errors import SourceRefused

LONGEST_URL = 4096
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_TARGET = "/%:@!$&'()*+,;=~?[]|"
_PLAIN = re.compile(rf"[\w.{re.escape(_TARGET)}-]*", re.ASCII)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


@dataclass(frozen=True)
class WebUrl:
    """An absolute URL in parts.

    ``scheme``  ``http`` or ``https``.
    ``host``    ASCII in lower case: a name without a final dot, or an address without brackets.
    ``target``  path and query, percent-encoded, as sent in a request.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def default_port(self) -> int:
        """Return the default port of the scheme."""
        return _DEFAULT_PORTS[self.scheme]

    @property
    def shown(self) -> str:
        """Return the URL for messages, without its query, which may contain a signature."""
        text = f"{self.origin}{self.target.partition('?')[0]}"
        return text if len(text) <= 200 else text[:200] + "…"

    def join(self, location: str) -> WebUrl:
        """Return the target of a redirect. Raises SourceRefused."""
        return parse_web_url(urljoin(f"{self.origin}{self.target}", location.strip()))

    @property
    def origin(self) -> str:
        """Return scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == self.default_port else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def parse_web_url(text: str) -> WebUrl:
    """Parse an ``http://`` or ``https://`` URL. Raises SourceRefused, and never repeats a password or a query.

    Addresses are accepted in their usual form only: ``0x7f.1``, ``017700000001`` and ``2130706433``, which some
    resolvers read as 127.0.0.1, are refused, as are percent-encoded hosts and zones of IPv6 addresses.
    """
    if len(text) > LONGEST_URL or _CONTROL.search(text):
        raise _bad("is too long or contains control characters")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad("is not valid") from None
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise SourceRefused(
            f"{scheme[:20]}:// is not supported: give an http:// or https:// URL", code="unsupported_source"
        )
    if "@" in parts.netloc:
        # No message or file may repeat the password.
        raise SourceRefused(
            f"image URL of host {host!r} contains a user name: remove it, and sign the URL instead",
            code="url_credentials_refused",
        )
    port = _DEFAULT_PORTS[scheme] if port is None else port
    if port == 0:
        raise _bad("names port 0")
    if "[" in parts.netloc and ":" not in host:
        raise _bad(f"has an unsupported host: [{host[:80]}]")
    return WebUrl(scheme, _host(host), port, _target(parts))


@lru_cache(maxsize=1024)  # a manifest repeats the same few hosts
def _host(raw: str) -> str:
    """Return a host in its canonical form, or refuse it."""
    try:
        if ":" in raw:
            return _address(raw)
        # The encoding folds wide digits and other dots, so an address can be recognised only after it.
        name = raw.removesuffix(".").encode("idna").decode("ascii").lower()
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            return str(IPv4Address(name))
    except ValueError:
        raise _bad(f"has an unsupported host: {raw[:80]!r}") from None
    if not _NAME.fullmatch(name):
        raise _bad(f"has an unsupported host: {raw[:80]!r}")
    return name


def _address(raw: str) -> str:
    if "%" in raw:
        raise ValueError("zone")
    return str(IPv6Address(raw))


def _target(parts: SplitResult) -> str:
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    return target if _PLAIN.fullmatch(target) else quote(target, safe=_TARGET)


def _bad(problem: str) -> SourceRefused:
    return SourceRefused(f"the image's URL {problem}: correct it", code="bad_source")
