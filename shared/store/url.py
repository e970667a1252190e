"""Open the store that a URL names: ``s3://bucket/prefix`` or ``file:///dir``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.errors import InvalidInput, UsageError
from shared.store.base import ObjectStore, StoreOptions, check_key
from shared.store.file import FileStore

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


def open_store(url: str, options: StoreOptions | None = None) -> ObjectStore:
    """Return the store that a URL names. Nothing is read, written or connected to yet.

    Raises UsageError when the URL or the options are wrong. Messages repeat no part of a URL that
    could contain a password.
    """
    scheme, separator, rest = url.partition("://")
    match scheme.lower() if separator else "":
        case "file":
            return FileStore(_folder(rest))
        case "s3":
            return _open_s3(rest, options or StoreOptions())
    raise UsageError("the store URL must start with s3:// or file:///, as in s3://bucket/prefix")


def _folder(rest: str) -> Path:
    """Return the folder of a file URL: ``rest`` is what follows ``file://``, percent-encoded."""
    host, _, path = rest.partition("/")
    if host not in ("", "localhost"):
        raise UsageError("a file URL needs three slashes and an absolute path, as in file:///srv/atelier")
    if "?" in path or "#" in path:
        raise UsageError("write ? as %3F and # as %23 in the file URL of the store")
    try:
        folder = Path(os.path.abspath("/" + unquote(path, errors="strict")))
    except UnicodeDecodeError:
        raise UsageError("the percent-encoded path of the store's file URL is not UTF-8") from None
    if "\0" in str(folder):
        raise UsageError("the path of the store's file URL contains a NUL character")
    if folder == Path("/"):
        raise UsageError("the store cannot be the root of the file system: name a folder of its own")
    return folder


def _open_s3(rest: str, options: StoreOptions) -> ObjectStore:
    """Open the store of an S3 URL. As in AWS's own tools, nothing in it is percent-encoded."""
    from shared.store.s3 import S3Store  # imported here, so that a folder store does not load boto3

    bucket, _, prefix = rest.partition("/")
    if "@" in bucket:
        raise UsageError(
            "leave the credentials out of the store URL: set ATELIER_S3_ACCESS_KEY_ID and its secret key instead"
        )
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{bucket!r} is not a bucket name; write s3://bucket/prefix")
    prefix = prefix.removesuffix("/")
    if prefix:
        try:
            check_key(prefix)
        except InvalidInput as error:
            raise UsageError(f"the prefix of the store URL: {error}") from None
    _check_endpoint("endpoint URL", options.endpoint_url)
    _check_endpoint("public endpoint URL", options.public_endpoint_url)
    if (options.access_key_id is None) != (options.secret_access_key is None):
        raise UsageError("the store needs both an access key id and a secret access key, or neither")
    return S3Store(bucket, prefix, options)


def _check_endpoint(name: str, url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading the port raises when it is not a number
    except ValueError:
        raise UsageError(f"the store's {name} is not a valid URL") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"leave the credentials out of the store's {name}: set ATELIER_S3_ACCESS_KEY_ID and its secret key instead"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"the store's {name} must look like https://host:port")
