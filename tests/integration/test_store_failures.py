"""What stores make of servers that refuse, fail or talk nonsense, and of disks that do."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.errors import AtelierError, InvalidInput, MissingObject, NotAllowed, StoreUnavailable
from shared.store import ObjectStore, StoreOptions, open_store
from tests.raw_server import answering, http, refusal
from tests.waiting import LIMIT_SECONDS


def opened(endpoint: str, **changes: object) -> ObjectStore:
    options = {
        "endpoint_url": endpoint,
        "access_key_id": "key",
        "secret_access_key": SecretStr("secret"),
        "connect_timeout_seconds": LIMIT_SECONDS,
        "read_timeout_seconds": LIMIT_SECONDS,
        "max_attempts": 1,
    }
    return open_store("s3://bucket/prefix", StoreOptions(**{**options, **changes}))  # type: ignore[arg-type]


def calls_on(store: ObjectStore, source: Path) -> list[Callable[[], object]]:
    source.write_bytes(b"x")
    return [
        lambda: store.get("k"),
        lambda: store.put("k", b"x"),
        lambda: store.put_file("k", source),
        lambda: list(store.list("")),
        lambda: store.size("k"),
        lambda: store.exists("k"),
        lambda: store.delete("k"),
    ]


@pytest.mark.parametrize(
    ("status", "code", "expected", "stable"),
    [
        (403, "AccessDenied", NotAllowed, "store_denied"),
        (403, "InvalidAccessKeyId", NotAllowed, "store_denied"),
        (403, "SignatureDoesNotMatch", NotAllowed, "store_denied"),
        (401, "Unauthorized", NotAllowed, "store_denied"),
        (500, "InternalError", StoreUnavailable, "store_unavailable"),
        (503, "SlowDown", StoreUnavailable, "store_unavailable"),
        (429, "TooManyRequests", StoreUnavailable, "store_unavailable"),
        (400, "RequestTimeout", StoreUnavailable, "store_unavailable"),
    ],
)
def test_refusal_of_the_server_becomes_our_error(
    tmp_path: Path, status: int, code: str, expected: type[AtelierError], stable: str
) -> None:
    with answering(refusal(status, code)) as (endpoint, _):
        for call in calls_on(opened(endpoint), tmp_path / "source"):
            with pytest.raises(expected, match="s3://bucket/prefix/") as caught:
                call()
            assert caught.value.code == stable
            assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<List",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnonsense",
        http(302, b"", "Location: http://127.0.0.1:1/login"),
        http(502, b"<html>Bad Gateway</html>", "Content-Type: text/html"),
    ],
    ids=["silence", "hang-up", "other protocol", "cut body", "bad chunks", "redirect", "gateway"],
)
def test_nonsense_of_the_server_is_store_unavailable(tmp_path: Path, answer: bytes | None) -> None:
    with answering(answer) as (endpoint, _):
        store = opened(endpoint, **({"read_timeout_seconds": 0.5} if answer is None else {}))
        get, *others = calls_on(store, tmp_path / "source")
        with pytest.raises(StoreUnavailable):
            get()
        for call in others:  # some of these are content with a mere 200; no foreign error may come out
            try:
                call()
            except StoreUnavailable as error:
                assert "s3://bucket/prefix/" in str(error)  # noqa: PT017 - it need not be raised


def test_closed_port_is_store_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    for call in calls_on(opened(endpoint), tmp_path / "source"):
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1"):
            call()


def test_plain_server_behind_https_is_store_unavailable() -> None:
    with answering(http(200)) as (endpoint, _), pytest.raises(StoreUnavailable):
        opened(endpoint.replace("http:", "https:")).get("k")


def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = opened("http://127.0.0.1:9", access_key_id=None, secret_access_key=None)
    for call in (lambda: store.get("k"), lambda: store.presigned_url("k")):
        with pytest.raises(NotAllowed, match="access key"):
            call()


def test_server_that_minds_deleting_nothing_is_no_matter() -> None:
    with answering(refusal(404, "NoSuchKey")) as (endpoint, _):
        opened(endpoint).delete("k")


def test_a_key_that_may_not_list_is_refused_what_is_missing() -> None:
    with answering(refusal(403, "AccessDenied")) as (endpoint, _):
        assert opened(endpoint).missing(["a", "b"]) == {"a", "b"}


def test_a_server_that_fails_says_nothing_about_what_is_missing() -> None:
    with answering(refusal(500, "InternalError")) as (endpoint, _), pytest.raises(StoreUnavailable):
        opened(endpoint).missing(["a", "b"])


def test_failing_server_is_asked_again() -> None:
    with answering(refusal(503, "SlowDown")) as (endpoint, requests):
        with pytest.raises(StoreUnavailable):
            opened(endpoint, max_attempts=2).get("k")
        assert len(requests) == 2


@pytest.mark.parametrize(("checksums", "sent"), [("when_required", False), ("when_supported", True)])
def test_checksums_are_sent_only_when_asked_for(tmp_path: Path, checksums: str, sent: bool) -> None:
    (tmp_path / "source").write_bytes(b"x")
    with answering(http(200)) as (endpoint, requests):
        store = opened(endpoint, checksums=checksums)
        store.put("k", b"x")
        store.put_file("k", tmp_path / "source")
    assert [b"x-amz-checksum-" in request.lower() for request in requests] == [sent, sent]


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStore:
    return open_store((tmp_path / "store").as_uri())


def stored(folder: ObjectStore, key: str) -> Path:
    path = folder.path(key)
    assert path is not None
    return path


def test_file_put_is_a_link_that_is_young_and_survives_its_source(folder: ObjectStore, tmp_path: Path) -> None:
    source, link = tmp_path / "source", tmp_path / "link"
    source.write_bytes(b"photo")
    link.symlink_to(source)
    os.utime(source, (0, 0))
    folder.put_file("k", link)
    folder.put_file("k", source)
    assert stored(folder, "k").samefile(source)
    assert not stored(folder, "k").is_symlink()
    (info,) = folder.list("")
    assert datetime.now(UTC) - info.modified_at < timedelta(minutes=1)
    folder.put("k", b"other")
    assert source.read_bytes() == b"photo"
    assert source.stat().st_mtime == 0


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_file_is_copied_where_it_cannot_be_linked(
    folder: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "source").write_bytes(b"photo")
    folder.put("k", b"older")  # of the same size, so that comparing has read the source
    folder.put_file("k", tmp_path / "source")
    assert folder.get("k") == b"photo"
    assert not stored(folder, "k").samefile(tmp_path / "source")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "is full"),
        (errno.EACCES, "no permission"),
        (errno.EIO, "failed"),
    ],
)
def test_failing_disk_is_store_unavailable_and_leaves_the_old_object(
    folder: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, told: str
) -> None:
    folder.put("k", b"old")

    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreUnavailable, match=told) as caught:
        folder.put("k", b"new bytes")
    assert str(tmp_path) in str(caught.value)
    assert folder.get("k") == b"old"
    assert [info.key for info in folder.list("")] == ["k"]
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["k"]


def test_key_cannot_be_folder_and_object_at_once(folder: ObjectStore) -> None:
    folder.put("a", b"x")
    folder.put("b/c", b"x")
    for key in ("a/b", "b"):
        with pytest.raises(InvalidInput, match="both a folder and a file") as caught:
            folder.put(key, b"x")
        assert caught.value.code == "invalid_key"


def test_store_folder_that_is_a_file_is_unavailable(folder: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        folder.put("k", b"x")
    with pytest.raises(MissingObject):
        folder.get("k")


@pytest.mark.parametrize("key", ["x" * 256, "a/" + "é" * 128, ".atelier-tmp/x", ".atelier-tmp"])
def test_key_that_no_folder_can_hold_is_refused(folder: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        folder.put(key, b"x")
    assert caught.value.code == "invalid_key"


def test_listing_passes_over_what_is_no_object(folder: ObjectStore, tmp_path: Path) -> None:
    folder.put("k", b"x")
    (tmp_path / "store" / "loop").symlink_to(tmp_path / "store", target_is_directory=True)
    (tmp_path / "store" / "gone").symlink_to(tmp_path / "nowhere")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/store/\xff")).touch()
    (tmp_path / "store" / ".atelier-tmp" / "half-written").touch()
    assert [info.key for info in folder.list("")] == ["k"]
    assert list(folder.list(".atelier-tmp/")) == []


def test_readers_see_whole_objects_while_threads_replace_them(folder: ObjectStore) -> None:
    versions = [bytes([number]) * 100_000 for number in range(4)]

    def work(data: bytes) -> set[bytes]:
        seen = set()
        for _ in range(10):
            folder.put("k", data)
            seen.add(folder.get("k"))
        return seen

    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(work, versions)) <= set(versions)
