"""Reach: which hosts and addresses sources may be fetched from.

A URL can name any machine that a worker reaches and its merchant does not (server-side request forgery):
databases beside us, metadata services with keys in them, routers. So only addresses that are the public
internet's are connected to. Sources: IANA's special-purpose address registries (RFC 6890), OWASP's
"Server-Side Request Forgery Prevention".
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from shared.errors import SourceRefused, SourceUnavailable
from shared.web_url import WebUrl

Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""Takes a host and a port and returns its addresses, as texts."""

PORTS = (80, 443, 8080, 8443)
"""Of public hosts. A URL must not make us speak to their mail servers and databases."""

_GLOBAL_V6 = IPv6Network("2000::/3")
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last 32 bits are an IPv4 address, which is the one reached."""

# Public by Python's own list, or by that of some of its releases.
_SHUT: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",  # carriers' own; a metadata service at Alibaba
        "168.63.129.16/32",  # Azure's own services
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments, Teredo (carries an IPv4 address)
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 (carries an IPv4 address)
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True)
class Reach:
    """What the operator allows.

    ``hosts``     names of hosts, ``*.shop.example`` for all below one; empty: every host.
    ``networks``  private networks that may be fetched from nevertheless, on any port.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def addresses(self, url: WebUrl, resolve: Resolve) -> Sequence[str]:
        """Resolve a URL's host, once, and return its addresses: all of them may be connected to.

        A host with one bad address among good ones is refused: no honest one has such.
        Raises SourceRefused with the code ``source_not_allowed`` or ``unknown_host``, or SourceUnavailable.
        """
        if self.hosts and not any(_covers(pattern.lower(), url.host) for pattern in self.hosts):
            raise _not_allowed(
                url, "is not on the list of hosts that sources may come from: ask the operator to add it"
            )
        found = tuple(dict.fromkeys(resolve(url.host, url.port)))
        for text in found:
            self._check(url, ip_address(text))
        if not found:
            raise SourceUnavailable(f"host {url.host} has no address at present")
        return found

    def _check(self, url: WebUrl, address: IPv4Address | IPv6Address) -> None:
        if any(address in network for network in self.networks):
            return
        if not is_public(address):
            raise _not_allowed(url, "lies in a private or reserved network, which is not fetched from")
        if url.port not in PORTS:
            raise _not_allowed(url, f"is asked for on port {url.port}; only {', '.join(map(str, PORTS))} are used")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address belongs to some machine of the public internet."""
    if isinstance(address, IPv6Address) and address in _TRANSLATED:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return False  # loopback, link-local, unique local, multicast, IPv4-mapped, what is not given out
    return address.is_global and not any(address in network for network in _SHUT)


def resolved(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver. Raises SourceRefused for a name that does not exist, else SourceUnavailable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            raise SourceRefused(f"there is no host {host}: correct the URL", code="unknown_host") from error
        raise SourceUnavailable(f"host {host} cannot be looked up: {error.strerror}") from error
    except (OSError, UnicodeError) as error:
        raise SourceUnavailable(f"host {host} cannot be looked up: {error}") from error
    return [str(entry[4][0]) for entry in found]


def _covers(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _not_allowed(url: WebUrl, what: str) -> SourceRefused:
    return SourceRefused(f"host {url.host} {what}", code="source_not_allowed")
