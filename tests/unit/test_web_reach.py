"""Which URLs and addresses are fetched from: the table of ways in that server-side request forgery knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import pytest

from shared.errors import SourceRefused, SourceUnavailable
from shared.web_url import parse_web_url
from workers.fetch.address_guard import Reach
from workers.fetch.politeness import Manners, retry_after_seconds

SHUT = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1
192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 100::1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::808:808 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
2002:c0a8:1:: 2002:808:808:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1
"""
OPEN = "8.8.8.8 1.1.1.1 100.63.255.255 172.32.0.1 198.20.0.1 2606:4700::1111 2a00:1450::8 64:ff9b::808:808"


def found(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def reached(url: str, *addresses: str, reach: Reach = Reach()) -> Sequence[str]:  # noqa: B008
    return reach.addresses(parse_web_url(url), found(*addresses))


@pytest.mark.parametrize("address", SHUT.split())
def test_an_address_outside_the_public_internet_is_refused_alone_and_among_others(address: str) -> None:
    for addresses in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        with pytest.raises(SourceRefused) as caught:
            reached("https://shop.example/a.jpg", *addresses)
        assert caught.value.code == "source_not_allowed"
        assert "shop.example" in str(caught.value)


@pytest.mark.parametrize("address", OPEN.split())
def test_public_address_is_reached(address: str) -> None:
    assert list(reached("https://shop.example/a.jpg", address, address)) == [address]


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.01/",
        "http://127.0.0.1.1/",
        "http://0/",
        "http://0x/",
        "http://0x7f.1./",
        "http://①②⑦.1/",
        "http://１２７.1/",
        "http://127。1/",
        "http://%31%32%37.0.0.1/",
        "http://[::1%25lo]/",
        "http://[::1%lo]/",
        "http://[127.0.0.1]/",
        "http://[::1",
        "http://[v1.x]/",
        "http://ex ample/",
        "http://a\\b/",
        "http://a..b/",
        "http://.a/",
        "http:///x",
        "http://",
        "http:x",
        "http://x:0/",
        "http://x:99999/",
        "http://x:-1/",
        "http://x:8o/",
        "http://x/\r\nHost: y",
        "http://x\n/",
        "http://x/\0",
        "http://" + "a" * 64 + ".example/",
        "http://x/" + "a" * 5000,
    ],
)
def test_host_in_an_odd_form_is_refused(url: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        parse_web_url(url)
    assert caught.value.code == "bad_source"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "gopher://x/", "data:,x", "//x/y", "x", ""])
def test_other_scheme_is_refused(url: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        parse_web_url(url)
    assert caught.value.code == "unsupported_source"


@pytest.mark.parametrize("url", ["http://u:secret@x/", "http://u@x/", "http://@x/", "http://a.example\\@127.0.0.1/"])
def test_user_name_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        parse_web_url(url)
    assert caught.value.code == "url_credentials_refused"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://Shop.Example./é a.jpg?x=1&y=ü#z", "shop.example", 443, "/%C3%A9%20a.jpg?x=1&y=%C3%BC"),
        ("HTTP://münchen.example:8080", "xn--mnchen-3ya.example", 8080, "/"),
        ("http://[2606:4700:0::1111]/a%20b", "2606:4700::1111", 80, "/a%20b"),
        ("http://127.0.0.1/", "127.0.0.1", 80, "/"),
        ("http://127。0。0。1/", "127.0.0.1", 80, "/"),
        ("http://1.2.3.x4/", "1.2.3.x4", 80, "/"),
        ("https://x/a\\b", "x", 443, "/a%5Cb"),
        ("https://x?y", "x", 443, "/?y"),
    ],
)
def test_url_is_read_in_its_one_form(url: str, host: str, port: int, target: str) -> None:
    read = parse_web_url(url)
    assert (read.host, read.port, read.target) == (host, port, target)
    assert "?" not in read.shown


def test_redirect_is_read_relative_to_its_url_and_by_the_same_rules() -> None:
    here = parse_web_url("https://a.example:8443/x/y.jpg?z")
    assert here.join("../z.jpg").shown == "https://a.example:8443/z.jpg"
    assert here.join("//b.example/z").shown == "https://b.example/z"
    for location in ("file:///etc/passwd", "http://0x7f.1/", "//u:p@b/"):
        with pytest.raises(SourceRefused):
            here.join(location)


def test_ports_of_other_services_are_shut_except_in_networks_that_the_operator_names() -> None:
    with pytest.raises(SourceRefused, match="8443"):
        reached("http://shop.example:6379/", "8.8.8.8")
    assert reached("http://shop.example:8080/", "8.8.8.8")
    inside = Reach(networks=(ip_network("10.1.0.0/16"),))
    assert reached("http://images.inside:9000/a", "10.1.2.3", reach=inside)
    for address in ("10.2.0.1", "127.0.0.1"):
        with pytest.raises(SourceRefused):
            reached("http://images.inside/a", address, reach=inside)


def test_list_of_hosts_shuts_all_others_before_they_are_looked_up() -> None:
    def never(host: str, port: int) -> Sequence[str]:
        raise AssertionError(host)

    listed = Reach(hosts=("cdn.example", "*.Shop.example"))
    for host in ("cdn.example", "a.shop.example", "a.b.shop.example"):
        assert reached(f"https://{host}/", "8.8.8.8", reach=listed)
    for host in ("x.cdn.example", "shop.example", "evilshop.example", "cdn.example.evil.example"):
        with pytest.raises(SourceRefused) as caught:
            listed.addresses(parse_web_url(f"https://{host}/"), never)
        assert caught.value.code == "source_not_allowed"


def test_retry_after_is_seconds_or_a_date_and_bounded() -> None:
    assert retry_after_seconds("7") == 7
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert 80 < retry_after_seconds(format_datetime(soon, usegmt=True)) <= 90
    assert retry_after_seconds("9" * 400) == 3600
    for odd in (None, "", "soon", "-5", "1e9", "٣", "Mon, 99 Foo 2000 00:00:00 GMT", "Mon, 01 Jan 2001 00:00:00 GMT"):
        assert retry_after_seconds(odd) == 0


def test_host_is_asked_a_few_at_a_time_and_left_alone_when_it_said_so() -> None:
    manners = Manners(limit=1)
    with manners.turn("a", 0), manners.turn("b", 0):
        with pytest.raises(SourceUnavailable) as busy, manners.turn("a", 0):
            pass
        assert not busy.value.counts
    with manners.turn("a", 0):
        pass
    for told in (True, False):
        manners.let_rest("a", 60, requested=told)
        with pytest.raises(SourceUnavailable) as resting, manners.turn("a", 0):
            pass
        assert resting.value.counts is not told
        assert 50 < resting.value.wait_seconds <= 60
