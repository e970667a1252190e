"""The contract of the object store, over a folder and over two S3 servers by both ways of addressing."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from shared.errors import InvalidInput, MissingObject, SourceRefused, StoreUnavailable, UsageError
from shared.store import ObjectStore, ObjectTooLarge, StoreOptions, open_store
from tests.seaweed import DOMAIN, seaweed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024 * 1024
KEYS = ["plain.jpg", "with space/a b.jpg", "ünï/код/图片😀.jpg", "odd/a+b%20c&d=e?f#g;'\"(1)~!.jpg"]

Opener = Callable[[str], ObjectStore]


SERVERS = ("moto", "seaweed")


@pytest.fixture(scope="module")
def moto_port() -> Iterator[int]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="module")
def seaweed_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server.port


@pytest.fixture(params=SERVERS)
def s3_options(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> StoreOptions:
    return options_of(request.getfixturevalue(f"{request.param}_port"), monkeypatch)


def options_of(port: int, monkeypatch: pytest.MonkeyPatch) -> StoreOptions:
    resolve = socket.getaddrinfo

    def resolve_here(host: Any, *arguments: Any, **named: Any) -> Any:
        return resolve("127.0.0.1" if str(host).endswith(DOMAIN) else host, *arguments, **named)

    # A virtual host needs a name below the endpoint's for every bucket; no DNS here has one.
    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)
    monkeypatch.setenv("NO_PROXY", "*")
    return StoreOptions(
        endpoint_url=f"http://127.0.0.1:{port}",
        access_key_id="key",
        secret_access_key=SecretStr("secret"),
        addressing_style="path",
        multipart_threshold_bytes=5 * MIB,
        max_attempts=1,
    )


def client_of(endpoint_url: str | None) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )


@contextmanager
def bucket_at(endpoint_url: str | None) -> Iterator[str]:
    """Make a bucket; it goes at the end with all that is in it."""
    name = f"bucket-{uuid.uuid4().hex}"
    client = client_of(endpoint_url)
    client.create_bucket(Bucket=name)
    yield name
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        if there := page.get("Contents"):
            client.delete_objects(Bucket=name, Delete={"Objects": [{"Key": one["Key"]} for one in there]})
    client.delete_bucket(Bucket=name)
    client.close()


@pytest.fixture
def bucket(s3_options: StoreOptions) -> Iterator[str]:
    with bucket_at(s3_options.endpoint_url) as name:
        yield name


@pytest.fixture(params=["file", "moto-path", "moto-virtual", "seaweed-path"])
def opener(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    """Open a store below a prefix, so that two prefixes share one folder or bucket."""
    if request.param == "file":
        yield lambda prefix: open_store((tmp_path / "a store" / prefix).as_uri())
        return
    server, style = request.param.split("-")
    port = request.getfixturevalue(f"{server}_port")
    options = options_of(port, monkeypatch)
    with bucket_at(options.endpoint_url) as bucket:
        if style == "virtual":
            options = replace(options, endpoint_url=f"http://{DOMAIN}:{port}", addressing_style="virtual")
        yield lambda prefix: open_store(f"s3://{bucket}/{prefix}", options)


@pytest.fixture
def store(opener: Opener) -> ObjectStore:
    return opener("pre fix")


def seed(store: ObjectStore, keys: list[str]) -> None:
    """Lay empty objects into the folder or into moto's memory, 20 times quicker than putting them; else put them."""
    bucket, _, prefix = store.url.removeprefix("s3://").partition("/")
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for key in keys:
        if path := store.path(key):
            path.touch()
        elif bucket in backend.buckets:
            backend.put_object(bucket, f"{prefix}/{key}", b"")
        else:
            store.put(key, b"")


@pytest.mark.parametrize("key", KEYS)
def test_what_was_put_comes_back_under_the_same_key(store: ObjectStore, key: str) -> None:
    store.put(key, b"\x00\xffbytes", content_type="image/jpeg")
    assert store.get(key) == b"\x00\xffbytes"
    assert store.size(key) == 7
    assert store.exists(key)
    assert [info.key for info in store.list("")] == [key]


@pytest.mark.parametrize("opener", ["file", "moto-path"], indirect=True)
def test_a_backslash_is_a_letter_of_a_key(store: ObjectStore) -> None:
    """Not to SeaweedFS, which takes it for a slash: no key of Atelier's own has one."""
    store.put("a\\b", b"one")
    store.put("a/b", b"another")
    assert [store.get(info.key) for info in store.list("")] == [b"another", b"one"]


@pytest.mark.parametrize("opener", ["seaweed-virtual"], indirect=True)
@pytest.mark.parametrize("key", KEYS)
def test_buckets_of_a_real_server_answer_as_hosts_too(store: ObjectStore, key: str) -> None:
    store.put(key, b"bytes")
    assert store.get(key) == b"bytes"
    assert [info.key for info in store.list("")] == [key]


def test_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put("empty", b"")
    assert store.get("empty", max_bytes=0) == b""
    assert store.size("empty") == 0
    assert store.exists("empty")


def test_putting_twice_is_harmless_and_other_bytes_replace(store: ObjectStore) -> None:
    for data in (b"one", b"one", b"two", b"three"):
        store.put("k", data)
        assert store.get("k") == data
    assert [info.bytes for info in store.list("")] == [5]


def test_missing_object_is_told(store: ObjectStore) -> None:
    store.put("a/b", b"x")
    for key in ("c", "a", "a/b/c", "a/c"):
        with pytest.raises(MissingObject, match=key) as caught:
            store.get(key)
        assert caught.value.code == "missing_object"
        assert store.size(key) is None
        assert not store.exists(key)
        store.delete(key)
    assert store.get("a/b") == b"x"


def test_deleted_object_is_gone(store: ObjectStore) -> None:
    store.put("a/b", b"x")
    store.delete("a/b")
    store.delete("a/b")
    assert not store.exists("a/b")
    assert list(store.list("")) == []


def test_get_refuses_more_than_max_bytes(store: ObjectStore) -> None:
    store.put("k", b"12345")
    assert store.get("k", max_bytes=5) == b"12345"
    with pytest.raises(ObjectTooLarge, match="4") as caught:
        store.get("k", max_bytes=4)
    assert caught.value.code == "object_too_large"


@pytest.mark.parametrize("size", [0, 3, 11 * MIB])
def test_file_put_comes_back_identical(store: ObjectStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    source = tmp_path / "my photo é.jpg"
    source.write_bytes(data)
    store.put_file("a/file", source, content_type="image/jpeg")
    store.put_file("a/file", source)
    store.put("a/bytes", data)
    assert store.get("a/file") == data
    assert store.get("a/bytes", max_bytes=size) == data
    copy = tmp_path / "copy"
    store.get_file("a/file", copy)
    assert copy.read_bytes() == data
    copy.write_bytes(b"changed")  # a copy, not a link
    assert store.get("a/file") == data
    with pytest.raises(UsageError, match="copy cannot be written"):
        store.get_file("a/file", copy)
    with pytest.raises(MissingObject):
        store.get_file("a/missing", tmp_path / "other")


def test_source_that_cannot_be_read_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", ".", "nul\0", "n" * 300):
        with pytest.raises(SourceRefused, match="cannot be read"):
            store.put_file("k", tmp_path / name)
    assert not store.exists("k")


def test_listing_is_kept_to_its_prefix_and_has_an_order(store: ObjectStore) -> None:
    """By key where the server sorts; SeaweedFS goes folder by folder."""
    keys = ["a-b", "a.b/c", "a/b.c", "a/b/c", "ab/c", "b", "é", "\uff61", "😀"]
    for key in reversed(keys):
        store.put(key, key.encode())
    everything = [info.key for info in store.list("")]
    assert sorted(everything) == keys
    assert everything == [info.key for info in store.list("")]
    assert {info.key for info in store.list("a/")} == {"a/b.c", "a/b/c"}
    assert [info.key for info in store.list("a/b/")] == ["a/b/c"]
    assert {info.key for info in store.list("a")} == {"a-b", "a.b/c", "a/b.c", "a/b/c", "ab/c"}
    assert list(store.list("nothing/")) == []


@pytest.mark.parametrize("opener", ["file", "moto-path"], indirect=True)
def test_listing_is_sorted_by_key(store: ObjectStore) -> None:
    keys = ["a-b", "a.b/c", "a/b.c", "a/b/c", "ab/c", "b", "é", "\uff61", "😀"]
    for key in reversed(keys):
        store.put(key, b"")
    assert [info.key for info in store.list("")] == keys
    assert [info.key for info in store.list("a")] == keys[:5]


def test_listing_tells_size_age_and_change(store: ObjectStore) -> None:
    store.put("k", b"first")
    (first,) = store.list("k")
    store.put("k", b"other")
    (other,) = store.list("k")
    assert first.bytes == other.bytes == 5
    assert first.etag != other.etag
    assert abs(datetime.now(UTC) - other.modified_at) < timedelta(minutes=1)


def test_store_does_not_see_a_neighbouring_prefix(opener: Opener) -> None:
    narrow, wide = opener("a"), opener("ab")
    narrow.put("k", b"narrow")
    wide.put("k", b"wide")
    wide.put("only", b"wide")
    assert [info.key for info in narrow.list("")] == ["k"]
    assert narrow.get("k") == b"narrow"
    assert not narrow.exists("only")


@pytest.mark.parametrize("opener", ["file", "moto-path", "seaweed-path"], indirect=True)
def test_listing_goes_on_after_a_thousand_objects(store: ObjectStore) -> None:
    keys = [f"many/{number:04}" for number in range(1003)]
    store.put(keys[0], b"")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda first: seed(store, keys[first::4]), range(4)))
    assert [info.key for info in store.list("many/")] == keys


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\0b", "\udcff", "x" * 1020])
def test_bad_key_is_refused_by_every_method(store: ObjectStore, tmp_path: Path, key: str) -> None:
    (tmp_path / "source").write_bytes(b"x")
    calls: list[Callable[[], object]] = [
        lambda: store.put(key, b"x"),
        lambda: store.put_file(key, tmp_path / "source"),
        lambda: store.get(key),
        lambda: store.get_file(key, tmp_path / "copy"),
        lambda: store.size(key),
        lambda: store.exists(key),
        lambda: store.delete(key),
    ]
    for call in calls:
        with pytest.raises(InvalidInput) as caught:
            call()
        assert caught.value.code == "invalid_key"


def test_threads_share_a_store(store: ObjectStore) -> None:
    def work(number: int) -> list[bytes]:
        for turn in range(5):
            store.put(f"{number}/{turn}", bytes([number]) * 100_000)
        return [store.get(info.key) for info in store.list(f"{number}/")]

    with ThreadPoolExecutor(4) as pool:
        for number, found in enumerate(pool.map(work, range(4))):
            assert found == [bytes([number]) * 100_000] * 5


def test_large_file_goes_up_in_parts(bucket: str, s3_options: StoreOptions, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (11 * MIB))
    store = open_store(f"s3://{bucket}", s3_options)
    store.put_file("large", tmp_path / "large")
    (info,) = store.list("")
    assert info.etag.endswith("-3")  # S3 writes the number of parts there


def test_folder_markers_of_consoles_are_not_listed(bucket: str, s3_options: StoreOptions) -> None:
    store = open_store(f"s3://{bucket}", s3_options)
    store.put("folder/k", b"x")
    client = client_of(s3_options.endpoint_url)
    client.put_object(Bucket=bucket, Key="folder/")
    client.close()
    assert [info.key for info in store.list("folder/")] == ["folder/k"]
    assert [info.key for info in open_store(f"s3://{bucket}/folder", s3_options).list("")] == ["k"]


def test_presigned_url_downloads_the_object(bucket: str, s3_options: StoreOptions) -> None:
    store = open_store(f"s3://{bucket}/pre", s3_options)
    store.put("a b.jpg", b"picture")
    url = store.presigned_url("a b.jpg", download_name='stuhl "1".jpg')
    assert url is not None
    with urlopen(url) as answer:
        assert answer.read() == b"picture"


def test_presigned_put_takes_an_object_of_its_size(bucket: str, s3_options: StoreOptions) -> None:
    options = replace(s3_options, public_endpoint_url=s3_options.endpoint_url)
    store = open_store(f"s3://{bucket}/pre", options)
    url = store.presigned_put("uploads/1/part", 7, expires_seconds=600)
    assert url is not None
    assert "content-length" in url
    with urlopen(Request(url, b"picture", {"Content-Type": ""}, method="PUT")) as answer:
        assert answer.status == 200
    assert store.get("uploads/1/part") == b"picture"
    assert open_store(f"s3://{bucket}/pre", s3_options).presigned_put("k", 7, expires_seconds=600) is None


@pytest.mark.parametrize("s3_options", ["seaweed"], indirect=True)  # moto checks no signatures
def test_presigned_put_takes_nothing_else(bucket: str, s3_options: StoreOptions) -> None:
    store = open_store(f"s3://{bucket}", replace(s3_options, public_endpoint_url=s3_options.endpoint_url))
    url = store.presigned_put("part", 7, expires_seconds=600)
    assert url is not None
    for other, body in ((url, b"pictures"), (url.replace("/part", "/other"), b"picture")):
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(other, body, {"Content-Type": ""}, method="PUT"))
    assert list(store.list("")) == []


def test_a_folder_has_no_presigned_put(tmp_path: Path) -> None:
    assert open_store(tmp_path.as_uri()).presigned_put("part", 7, expires_seconds=600) is None


def test_missing_bucket_is_told(s3_options: StoreOptions, tmp_path: Path) -> None:
    store = open_store("s3://no-such-bucket", s3_options)
    (tmp_path / "source").write_bytes(b"x" * (6 * MIB))
    calls: list[Callable[[], object]] = [
        lambda: store.get("k"),
        lambda: store.put("k", b"x"),
        lambda: store.put_file("k", tmp_path / "source"),
        lambda: store.delete("k"),
        lambda: list(store.list("")),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match=r"no such bucket.*no-such-bucket"):
            call()


def test_what_is_missing_is_found_among_many(store: ObjectStore) -> None:
    for number in range(0, 20, 2):
        store.put(f"k/{number}", b"x")
    assert store.missing([f"k/{number}" for number in range(20)]) == {f"k/{number}" for number in range(1, 20, 2)}
    assert store.missing([]) == set()


def test_an_object_is_copied_into_a_file_of_its_own(opener: Opener, tmp_path: Path) -> None:
    store = opener("copies")
    store.put("a", b"bytes")
    store.get_file("a", tmp_path / "copy")
    (tmp_path / "copy").write_bytes(b"other")
    assert store.get("a") == b"bytes"
    with pytest.raises(MissingObject):
        store.get_file("missing", tmp_path / "none")
