"""Decide which hosts and addresses sources may be fetched from.

A URL can name any machine that a worker reaches and the merchant does not (server-side request forgery):
internal databases, metadata services with keys, routers. So workers connect only to addresses of the public
internet. Sources: IANA's special-purpose address registries (RFC 6890), OWASP's "Server-Side Request Forgery
Prevention".
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
"""Maps a host and a port to the host's addresses, as text."""

PORTS = (80, 443, 8080, 8443)
"""Allowed ports of public hosts, so that no URL makes a worker talk to a mail server or database."""

_GLOBAL_V6 = IPv6Network("2000::/3")
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last 32 bits are the IPv4 address that is reached."""

# Networks that Python's own list, or that of some of its releases, calls public.
_SHUT: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service
        "168.63.129.16/32",  # Azure's internal services
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
    """Hosts and networks that the operator allows.

    ``hosts``     host names, ``*.shop.example`` for all below one; empty means every host.
    ``networks``  private networks that are allowed nevertheless, on any port.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def addresses(self, url: WebUrl, resolve: Resolve) -> Sequence[str]:
        """Resolve a URL's host, once, and return its addresses. All of them may be connected to.

        A host with one forbidden address is refused, since no honest host has any.
        Raises SourceRefused with the code ``source_not_allowed`` or ``unknown_host``, or SourceUnavailable.
        """
        if self.hosts and not any(_covers(pattern.lower(), url.host) for pattern in self.hosts):
            raise _not_allowed(url, "is not among the allowed hosts of sources: ask the operator to add it")
        addresses = tuple(dict.fromkeys(resolve(url.host, url.port)))
        for text in addresses:
            self._check(url, ip_address(text))
        if not addresses:
            raise SourceUnavailable(f"host {url.host} has no address at present")
        return addresses

    def _check(self, url: WebUrl, address: IPv4Address | IPv6Address) -> None:
        if any(address in network for network in self.networks):
            return
        if not is_public(address):
            raise _not_allowed(url, "lies in a private or reserved network, which is not allowed")
        if url.port not in PORTS:
            raise _not_allowed(url, f"uses port {url.port}; only {', '.join(map(str, PORTS))} are allowed")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address belongs to the public internet."""
    if isinstance(address, IPv6Address) and address in _TRANSLATED:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return False  # loopback, link-local, unique local, multicast, IPv4-mapped, unallocated
    return address.is_global and not any(address in network for network in _SHUT)


def resolved(host: str, port: int) -> Sequence[str]:
    """Resolve a host by the system's resolver. Raises SourceRefused for an unknown name, else SourceUnavailable."""
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            raise SourceRefused(f"there is no host {host}: correct the URL", code="unknown_host") from error
        raise SourceUnavailable(f"host {host} cannot be resolved: {error.strerror}") from error
    except (OSError, UnicodeError) as error:
        raise SourceUnavailable(f"host {host} cannot be resolved: {error}") from error
    return [str(entry[4][0]) for entry in entries]


def _covers(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _not_allowed(url: WebUrl, problem: str) -> SourceRefused:
    return SourceRefused(f"host {url.host} {problem}", code="source_not_allowed")
