"""Fetching from a real HTTP server on loopback, which only tests and intranets allow."""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from shared.context import Session
from shared.database import transaction
from shared.errors import SourceRefused, SourceUnavailable
from shared.merchants.merchants import merchant_id
from shared.source_copies import source_key
from tests.certificates import certificate
from tests.web_host import Host, answer, serving
from workers.fetch.address_guard import Reach
from workers.fetch.buckets import Buckets
from workers.fetch.client import Validators, Web
from workers.fetch.sources import Sources

LOOPBACK = Reach(networks=(ip_network("127.0.0.0/8"),))
PHOTO = bytes(range(256)) * 64


@pytest.fixture
def host() -> Iterator[Host]:
    with serving() as found:
        yield found


def loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def web(reach: Reach = LOOPBACK, *, max_bytes: int = 100_000, **options: Any) -> Web:
    return Web(reach, max_bytes, **{"resolve": loopback, **options})


def test_bytes_come_from_the_address_checked_under_the_hosts_name(host: Host) -> None:
    host.answers["/a%20b.jpg?x=1"] = answer(200, "Content-Type: text/html", 'ETag: "v1"', body=PHOTO)
    got = web().get(host.url("/a b.jpg?x=1#top"))
    assert got.data == PHOTO
    assert got.validators == Validators('"v1"', None)
    ((_, headers),) = host.requests
    assert headers["Host"] == f"images.example:{host.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & set(headers)


def test_loopback_is_shut_unless_the_operator_names_it(host: Host) -> None:
    for url in (host.url("/a"), host.url("/a", "127.0.0.1"), host.url("/a", "localhost")):
        with pytest.raises(SourceRefused) as caught:
            Web(Reach(), 1000).get(url) if "example" not in url else web(Reach()).get(url)
        assert caught.value.code == "source_not_allowed"
    assert host.requests == []


def test_name_is_looked_up_once_a_hop_so_rebinding_it_changes_nothing(host: Host) -> None:
    """The second answer would be the address that an attacker is after."""
    lookups = iter([["127.0.0.1"], ["10.0.0.1"]])
    fetching = web(resolve=lambda name, port: next(lookups))
    host.answers["/a"] = answer(200, body=PHOTO)
    assert fetching.get(host.url("/a")).data == PHOTO
    with pytest.raises(SourceRefused) as caught:
        fetching.get(host.url("/a"))
    assert caught.value.code == "source_not_allowed"
    assert host.paths() == ["/a"]


def test_redirects_are_followed_and_each_is_checked_anew(host: Host) -> None:
    addresses = {"images.example": ["127.0.0.1"], "cdn.example": ["127.0.0.1"], "inside.example": ["10.0.0.1"]}
    fetching = web(resolve=lambda name, port: addresses[name])
    host.answers |= {
        "/a": answer(302, "Location: b"),
        "/b": answer(301, f"Location: //cdn.example:{host.port}/c"),
        "/c": answer(200, body=PHOTO),
    }
    assert fetching.get(host.url("/a")).data == PHOTO
    assert host.paths() == ["/a", "/b", "/c"]
    refused = {
        f"http://inside.example:{host.port}/": "source_not_allowed",
        "http://0x7f.1/": "bad_source",
        "file:///etc/passwd": "unsupported_source",
        "ftp://images.example/a": "unsupported_source",
        "http://user:secret@images.example/": "url_credentials_refused",
        "/again": "bad_redirect",
    }
    for location, code in refused.items():
        host.answers["/again"] = answer(307, f"Location: {location}")
        with pytest.raises(SourceRefused) as caught:
            fetching.get(host.url("/again"))
        assert caught.value.code == code
    assert host.paths().count("/again") == len(refused) + 5


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (204, SourceRefused, "source_refused"),
        (206, SourceRefused, "source_refused"),
        (304, SourceRefused, "source_refused"),
        (401, SourceRefused, "source_denied"),
        (403, SourceRefused, "source_denied"),
        (404, SourceRefused, "image_not_found"),
        (410, SourceRefused, "image_not_found"),
        (400, SourceRefused, "source_refused"),
        (408, SourceUnavailable, "source_unavailable"),
        (500, SourceUnavailable, "source_unavailable"),
        (502, SourceUnavailable, "source_unavailable"),
    ],
)
def test_status_says_whose_fault_it_is(host: Host, status: int, error: type[Exception], code: str) -> None:
    host.answers["/a?signature=secret"] = answer(status)
    with pytest.raises(error) as caught:
        web().get(host.url("/a?signature=secret"))
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert "images.example" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 503])
def test_host_that_asks_to_be_left_alone_is_not_asked_again(host: Host, status: int) -> None:
    host.answers["/a"] = answer(status, "Retry-After: 120")
    fetching = web()
    with pytest.raises(SourceUnavailable) as first:
        fetching.get(host.url("/a"))
    assert (first.value.counts, first.value.wait_seconds) == (True, 120)
    with pytest.raises(SourceUnavailable) as second:
        fetching.get(host.url("/b"))
    assert not second.value.counts
    assert 100 < second.value.wait_seconds <= 120
    assert host.paths() == ["/a"]


def chunked(*pieces: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def test_size_is_bounded_whether_it_is_stated_or_not(host: Host) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not host.closing.is_set():
            handler.wfile.write(bytes(65536))

    host.answers |= {
        "/stated": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
        "/chunked": chunked(*[bytes(60_000)] * 2, b""),
        "/endless": endless,
    }
    for path in host.answers:
        with pytest.raises(SourceRefused) as caught:
            web().get(host.url(path))
        assert caught.value.code == "object_too_large"
    host.answers["/whole"] = chunked(PHOTO[:100], PHOTO[100:], b"")
    assert web().get(host.url("/whole")).data == PHOTO


def test_body_that_breaks_off_is_no_image(host: Host) -> None:
    host.answers |= {
        "/stated": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(900),
        "/chunked": chunked(bytes(900)),
        "/nothing": b"",
        "/nonsense": b"SSH-2.0-OpenSSH_9.6\r\n",
        "/headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    }
    for path in host.answers:
        with pytest.raises(SourceUnavailable):
            web().get(host.url(path))


def test_gzip_is_unpacked_and_other_compression_refused(host: Host) -> None:
    packed = gzip.compress(b"picture")
    host.answers["/gzip"] = answer(200, "Content-Encoding: gzip", body=packed)
    host.answers["/br"] = answer(200, "Content-Encoding: br", body=packed)
    host.answers["/damaged"] = answer(200, "Content-Encoding: gzip", body=b"picture")
    assert web().get(host.url("/gzip")).data == b"picture"
    for path in ("/br", "/damaged"):
        with pytest.raises(SourceRefused) as caught:
            web().get(host.url(path))
        assert caught.value.code == "source_encoded"


def test_bomb_is_unpacked_no_further_than_the_limit(host: Host) -> None:
    host.answers["/a"] = answer(200, "Content-Encoding: gzip", body=gzip.compress(bytes(100_000_000)))
    with pytest.raises(SourceRefused) as caught:
        web().get(host.url("/a"))
    assert caught.value.code == "object_too_large"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_server_that_drips_is_cut_off_in_time(host: Host, start: bytes) -> None:
    """Each byte comes soon enough for any limit on a single read."""
    host.answers["/a"] = dripping(host, start)
    with pytest.raises(SourceUnavailable, match=r"longer than 0\.3 seconds"):
        web(seconds=0.3).get(host.url("/a"))


def dripping(host: Host, start: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        while not host.closing.wait(0.02):
            handler.wfile.write(b"x")

    return drip


def test_server_that_drips_over_tls_is_cut_off_in_time(tmp_path: Path) -> None:
    file = certificate(tmp_path, "images.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    with serving(server) as host:
        host.answers["/a"] = dripping(host, b"HTTP/1.1 200 OK\r\n\r\n")
        fetching = web(seconds=1, context=ssl.create_default_context(cafile=file))
        with pytest.raises(SourceUnavailable, match="longer than 1 seconds"):
            fetching.get(host.url("/a", scheme="https"))


def test_server_that_says_nothing_to_a_tls_client_is_cut_off_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://images.example:{silent.getsockname()[1]}/a"
        with pytest.raises(SourceUnavailable, match=r"longer than 0\.3 seconds"):
            web(seconds=0.3).get(url)


def test_connection_is_kept_for_the_next_image_and_made_anew_where_it_was_closed() -> None:
    lookups: list[str] = []

    def resolve(name: str, port: int) -> Sequence[str]:
        lookups.append(name)
        return ["127.0.0.1"]

    def last(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer(200, body=PHOTO))
        handler.close_connection = True

    with serving(keep_alive=True) as host:
        host.answers |= {
            "/a": answer(200, body=PHOTO),
            "/chunked": chunked(PHOTO, b""),
            "/same": answer(304),
            "/last": last,
            "/large": answer(200, body=bytes(200_000)),
        }
        fetching = web(resolve=resolve)
        for path in ("/a", "/chunked", "/last", "/a", "/large", "/a"):
            with suppress(SourceRefused):
                assert fetching.get(host.url(path)).data == PHOTO
        assert fetching.get(host.url("/same"), Validators("1")).data is None
        assert fetching.get(host.url("/a", "other.example")).data == PHOTO
        order = [host.ports.index(port) for port in host.ports]
    assert order == [0, 0, 0, 3, 3, 5, 5, 7]
    assert lookups == ["images.example"] * 3 + ["other.example"]


def test_host_that_refuses_the_connection_may_be_back_later() -> None:
    fetching = web()
    with pytest.raises(SourceUnavailable, match="cannot be fetched at present"):
        fetching.get("http://images.example:1/a")
    with pytest.raises(SourceUnavailable, match="did not answer a moment ago") as again:
        fetching.get("http://images.example:1/b")
    assert again.value.counts


def test_certificate_must_be_the_hosts_though_an_address_is_connected_to(tmp_path: Path) -> None:
    file = certificate(tmp_path, "images.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    asked: list[str | None] = []
    server.sni_callback = lambda _, name, __: asked.append(name)
    with serving(server) as host:
        host.answers |= {
            "/a": answer(200, body=PHOTO),
            "/down": answer(302, f"Location: http://images.example:{host.port}/a"),
        }
        fetching = web(context=ssl.create_default_context(cafile=file))
        assert fetching.get(host.url("/a", scheme="https")).data == PHOTO
        assert asked == ["images.example"]
        strange = web()  # knows the public authorities only
        for client, name in ((fetching, "other.example"), (fetching, "127.0.0.1"), (strange, "images.example")):
            with pytest.raises(SourceRefused) as caught:
                client.get(host.url("/a", name, "https"))
            assert caught.value.code == "source_certificate"
        with pytest.raises(SourceRefused) as caught:
            fetching.get(host.url("/down", scheme="https"))
        assert caught.value.code == "bad_redirect"
        assert host.paths() == ["/a", "/down"]


def sources(session: Session) -> Sources:
    buckets = Buckets(session.settings.store_options, 100_000)
    return Sources(session.engine, session.store, 100_000, buckets, web())


def test_image_that_did_not_change_is_not_sent_twice(session: Session, host: Host) -> None:
    def versioned(handler: BaseHTTPRequestHandler) -> None:
        same = handler.headers["If-None-Match"] == '"v1"'
        handler.wfile.write(answer(304) if same else answer(200, 'ETag: "v1"', body=PHOTO))

    host.answers["/a"] = versioned
    with transaction(session.engine) as connection:
        mine, other = merchant_id(connection, "mine"), merchant_id(connection, "other")
    fetching = sources(session)
    for _ in range(2):
        assert fetching.fetch(mine, host.url("/a")) == PHOTO
    assert [headers.get("If-None-Match") for _, headers in host.requests] == [None, '"v1"']
    assert fetching.fetch(other, host.url("/a")) == PHOTO  # who has copies of his own
    assert "If-None-Match" not in host.requests[-1][1]
    session.store.delete(source_key(mine, sha256(PHOTO).hexdigest()))  # as a sweep may
    assert fetching.fetch(mine, host.url("/a")) == PHOTO
    assert [headers.get("If-None-Match") for _, headers in host.requests[-2:]] == ['"v1"', None]


def test_image_that_changed_or_must_not_be_kept_is_fetched(session: Session, host: Host) -> None:
    with transaction(session.engine) as connection:
        mine = merchant_id(connection, "mine")
    fetching = sources(session)
    for body, kept in ((b"one", "ETag: 1"), (b"two", "Last-Modified: yesterday"), (b"three", "X: y")):
        host.answers["/a"] = answer(200, kept, body=body)
        assert fetching.fetch(mine, host.url("/a")) == body
    host.answers["/b"] = answer(200, "ETag: 1", "Cache-Control: private, no-store", body=b"b")
    for _ in range(2):
        assert fetching.fetch(mine, host.url("/b")) == b"b"
    sent = [{"If-None-Match", "If-Modified-Since"} & set(headers) for _, headers in host.requests]
    assert sent == [set(), {"If-None-Match"}, {"If-Modified-Since"}, set(), set()]
