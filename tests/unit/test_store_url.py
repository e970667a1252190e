from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.errors import InvalidInput, UsageError
from shared.store import StoreOptions, open_store
from shared.store.base import check_key, check_prefix

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": SecretStr("hush-hush")}


def options(**changes: object) -> StoreOptions:
    return StoreOptions(**{"endpoint_url": "http://127.0.0.1:9", **KEYS, **changes})  # type: ignore[arg-type]


def test_file_url_names_a_folder_and_makes_nothing(tmp_path: Path) -> None:
    store = open_store((tmp_path / "objects").as_uri())
    assert store.path("a/b") == tmp_path / "objects" / "a" / "b"
    assert not (tmp_path / "objects").exists()


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("file:///srv/my%20shop", "/srv/my shop"),
        ("file:///srv/my shop", "/srv/my shop"),
        ("file:///srv/caf%C3%A9/", "/srv/café"),
        ("file:///srv/a%23b%3Fc", "/srv/a#b?c"),
        ("file://localhost/srv/a", "/srv/a"),
        ("FILE:///srv/a/../b", "/srv/b"),
    ],
)
def test_path_of_a_file_url_is_percent_decoded(url: str, folder: str) -> None:
    assert open_store(url).path("k") == Path(folder) / "k"


def test_url_of_a_file_store_opens_the_same_store() -> None:
    store = open_store("file:///srv/my%20shop/é")
    assert open_store(store.url).path("k") == store.path("k")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/atelier",
        "srv/atelier",
        "ftp://host/dir",
        "file://srv/atelier",
        "file:///",
        "file:///srv/..",
        "file:///srv/a#b",
        "file:///srv/a?b",
        "file:///srv/%00",
        "file:///srv/%ff",
        "s3://",
        "s3:///prefix",
        "s3://bad bucket/prefix",
        "s3://bucket/../other",
        "s3://bucket//prefix",
    ],
)
def test_bad_store_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        open_store(url, options())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/some/prefix/", "s3://bucket/some/prefix"),
        ("S3://bucket/a b%20c", "s3://bucket/a b%20c"),
    ],
)
def test_url_of_an_s3_store_is_normalised(url: str, shown: str) -> None:
    store = open_store(url, options())
    assert store.url == shown
    assert store.path("k") is None


@pytest.mark.parametrize(
    ("url", "changes"),
    [
        ("s3://AKIDEXAMPLE:hush-hush@bucket/prefix", {}),
        ("postgres://user:hush-hush@host/db", {}),
        ("s3://bucket", {"endpoint_url": "http://user:hush-hush@host:9000"}),
        ("s3://bucket", {"public_endpoint_url": "https://user:hush-hush@host"}),
    ],
)
def test_refused_url_does_not_repeat_its_secret(url: str, changes: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url, options(**changes))
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["localhost:9000", "ftp://host", "http://", "http://host:port", "http://[x"])
def test_bad_endpoint_url_is_a_usage_error(endpoint: str) -> None:
    with pytest.raises(UsageError, match="endpoint URL"):
        open_store("s3://bucket", options(endpoint_url=endpoint))


@pytest.mark.parametrize("missing", ["access_key_id", "secret_access_key"])
def test_half_a_pair_of_keys_is_a_usage_error(missing: str) -> None:
    with pytest.raises(UsageError, match="both"):
        open_store("s3://bucket", options(**{missing: None}))


def test_secret_is_not_shown_by_options_or_store() -> None:
    store = open_store("s3://bucket/prefix", options())
    assert "hush-hush" not in repr(options()) + str(options()) + repr(store) + store.url


def test_presigned_url_names_the_public_endpoint() -> None:
    store = open_store("s3://bucket/pre", options(public_endpoint_url="https://images.example.com"))
    url = store.presigned_url("a b.jpg", expires_seconds=60, download_name="Stuhl grün.jpg")
    assert url is not None
    assert url.startswith("https://images.example.com/bucket/pre/a%20b.jpg?")
    assert "X-Amz-Expires=60" in url
    assert "gr%25C3%25BCn" in url
    assert "hush-hush" not in url


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1])
def test_presigned_url_refuses_a_life_that_servers_refuse(seconds: int) -> None:
    with pytest.raises(UsageError, match="seconds"):
        open_store("s3://bucket", options()).presigned_url("k", expires_seconds=seconds)


def test_file_store_has_no_presigned_url(tmp_path: Path) -> None:
    assert open_store(tmp_path.as_uri()).presigned_url("k") is None


@pytest.mark.parametrize("key", ["a", "a/b.jpg", "ä ö/😀", "a..b", ".hidden/x", "%2e%2e/x", "a\\b", "x" * 1024])
def test_good_key_passes(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\0b", "\udcff", "x" * 1025, "é" * 513],
)
def test_bad_key_is_refused_with_its_code(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_key(key)
    assert caught.value.code == "invalid_key"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "a/.", "a/..", "..", "."])
def test_good_prefix_passes(prefix: str) -> None:
    check_prefix(prefix)


@pytest.mark.parametrize("prefix", ["/", "/a", "a//", "../", "a/../", "a/../b", "a\0"])
def test_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidInput):
        check_prefix(prefix)


def test_folder_store_does_not_load_boto3() -> None:
    code = "import sys, shared.store as s; s.open_store('file:///x'); print('boto3' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
