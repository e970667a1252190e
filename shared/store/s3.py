"""Object store on S3 or an S3-compatible server."""

from __future__ import annotations

import io
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from shared.errors import InvalidInput, MissingObject, NotAllowed, StoreUnavailable, UsageError
from shared.store.base import (
    DEFAULT_CONTENT_TYPE,
    MAX_KEY_BYTES,
    ObjectInfo,
    ObjectStore,
    ObjectTooLarge,
    StoreOptions,
    check_key,
    check_prefix,
    open_source,
    open_target,
)
from shared.store.s3_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

_PART_BYTES = 16 * 1024 * 1024
_COPY_BYTES = 1024 * 1024
_MIN_PART_BYTES = 5 * 1024 * 1024  # S3 refuses smaller parts
_MAX_CONNECTIONS = 32
_HEADS_AT_ONCE = 8
_MAX_EXPIRES_SECONDS = 7 * 24 * 3600  # the limit of signature version 4
_OTHER_SERVERS_REGION = "us-east-1"  # what S3-compatible servers without regions expect


class S3Store(ObjectStore):
    """Store objects in a bucket, below a prefix.

    A put is one request, or a multipart upload from ``multipart_threshold_bytes`` on. The object is
    visible only when complete. A put always writes, even over an equal object: asking first would cost
    a round trip, and the new date protects the object from the sweep of orphans. A process killed
    during a multipart upload leaves invisible parts; a lifecycle rule of the bucket
    (AbortIncompleteMultipartUpload) removes them.

    ``size`` and ``exists`` cannot tell a missing bucket from a missing object, since a HEAD answers
    404 to both. All other methods can.
    """

    def __init__(self, bucket: str, prefix: str, options: StoreOptions) -> None:
        self._bucket = bucket
        self._prefix = prefix + "/" if prefix else ""
        self._options = options
        self._lock = threading.Lock()
        self._clients: dict[str | None, S3Client] = {}
        self._transfer = TransferConfig(
            multipart_threshold=options.multipart_threshold_bytes,
            multipart_chunksize=min(_PART_BYTES, max(_MIN_PART_BYTES, options.multipart_threshold_bytes)),
            use_threads=False,  # each stage of a worker has its own thread
        )
        self.url = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"

    def put(self, key: str, data: bytes, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store the bytes in one request, or in parts above the threshold."""
        name = self._name(key)
        if len(data) >= self._options.multipart_threshold_bytes:
            self._upload(name, io.BytesIO(data), content_type)
            return
        with translated(self._place(name)):
            self._client().put_object(Bucket=self._bucket, Key=name, Body=data, ContentType=content_type)

    def put_file(self, key: str, path: Path, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store a local file without reading all of it into memory."""
        name = self._name(key)
        with open_source(path) as source:
            self._upload(name, source, content_type)

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """Return the bytes. An incomplete body raises StoreUnavailable; a short object is never returned."""
        name = self._name(key)
        with translated(self._place(name)):
            answer = self._client().get_object(Bucket=self._bucket, Key=name)
            with answer["Body"] as body:
                expected = _stated_length(answer, self._place(name))
                if max_bytes is not None and expected > max_bytes:
                    raise ObjectTooLarge(f"object {key} has {expected} bytes; {max_bytes} are allowed: make it smaller")
                data = body.read(expected + 1)
        if len(data) != expected:
            raise StoreUnavailable(f"{self._place(name)} broke off after {len(data)} of {expected} bytes")
        return data

    def get_file(self, key: str, path: Path) -> None:
        """Copy an object in pieces of 1 MiB. An incomplete body raises StoreUnavailable."""
        name = self._name(key)
        with translated(self._place(name)):
            answer = self._client().get_object(Bucket=self._bucket, Key=name)
            written, expected = 0, _stated_length(answer, self._place(name))
            with answer["Body"] as body, open_target(path) as file:
                while piece := body.read(_COPY_BYTES):
                    written += file.write(piece)
        if written != expected:
            raise StoreUnavailable(f"{self._place(name)} broke off after {written} of {expected} bytes")

    def size(self, key: str) -> int | None:
        """Return the size that the server reports."""
        name = self._name(key)
        try:
            with translated(self._place(name)):
                answer = self._client().head_object(Bucket=self._bucket, Key=name)
                return _stated_length(answer, self._place(name))
        except MissingObject:
            return None

    def missing(self, keys: Collection[str]) -> set[str]:
        """Ask for several keys at once. An access key that may not list gets 403 for a missing object."""

        def is_missing(key: str) -> bool:
            try:
                return not self.exists(key)
            except NotAllowed:
                return True

        pool = ThreadPoolExecutor(_HEADS_AT_ONCE, "heads")
        try:
            return {key for key, gone in zip(keys, pool.map(is_missing, keys), strict=True) if gone}
        finally:
            pool.shutdown(cancel_futures=True)  # after one error the others are not needed

    def delete(self, key: str) -> None:
        """Delete the object. Some servers answer 404 for a missing one, which is ignored."""
        name = self._name(key)
        with suppress(MissingObject), translated(self._place(name)):
            self._client().delete_object(Bucket=self._bucket, Key=name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield objects page by page, in the server's order: that of UTF-8, or SeaweedFS's.

        The empty objects that consoles create to show a folder are left out.
        """
        check_prefix(prefix)
        place = self._place(self._prefix + prefix)
        with translated(place):
            paginator = self._client().get_paginator("list_objects_v2")
            pages = iter(paginator.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix))
        while True:
            with translated(place):
                page = next(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", []):
                key = entry["Key"].removeprefix(self._prefix)
                if key and not key.endswith("/"):
                    etag = entry.get("ETag", "").strip('"')
                    yield ObjectInfo(key, entry["Size"], entry["LastModified"], etag)

    def path(self, key: str) -> None:
        """Return None: objects are not local files."""
        self._name(key)

    def presigned_url(self, key: str, *, expires_seconds: int = 3600, download_name: str | None = None) -> str | None:
        """Sign a URL for the public endpoint without asking the server."""
        name = self._name(key)
        if not 1 <= expires_seconds <= _MAX_EXPIRES_SECONDS:
            raise UsageError(f"a signed URL can be valid for 1 to {_MAX_EXPIRES_SECONDS} seconds")
        parameters = {"Bucket": self._bucket, "Key": name}
        if download_name is not None:
            encoded = quote(download_name, safe="")
            parameters["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{encoded}"
        endpoint = self._options.public_endpoint_url or self._options.endpoint_url
        with translated(self._place(name)):
            return self._client(endpoint).generate_presigned_url(
                "get_object", Params=parameters, ExpiresIn=expires_seconds
            )

    def presigned_put(self, key: str, size: int, *, expires_seconds: int) -> str | None:
        """Sign a URL for the public endpoint. Its signature covers the length, so the server takes no other body."""
        name, endpoint = self._name(key), self._options.public_endpoint_url
        if endpoint is None:
            return None
        parameters = {"Bucket": self._bucket, "Key": name, "ContentLength": size}
        with translated(self._place(name)):
            return self._client(endpoint).generate_presigned_url(
                "put_object", Params=parameters, ExpiresIn=expires_seconds
            )

    def _upload(self, name: str, source: BinaryIO, content_type: str) -> None:
        with translated(self._place(name)):
            self._client().upload_fileobj(
                source,
                self._bucket,
                name,
                ExtraArgs={"ContentType": content_type},
                Config=self._transfer,
            )

    def _name(self, key: str) -> str:
        """Return the full key within the bucket."""
        check_key(key)
        name = self._prefix + key
        if (length := len(name.encode())) > MAX_KEY_BYTES:
            message = f"object key {key[:77]!r}... has {length} bytes with the store's prefix; S3 allows 1024"
            raise InvalidInput(message, code="invalid_key")
        return name

    def _place(self, name: str) -> str:
        return f"s3://{self._bucket}/{name}"

    def _client(self, endpoint_url: str | None = None) -> S3Client:
        """Return the client of an endpoint. It is created on first use, which takes a tenth of a second.

        Threads may share clients but not sessions, hence the lock.
        """
        endpoint_url = endpoint_url or self._options.endpoint_url
        with self._lock:
            if endpoint_url not in self._clients:
                self._clients[endpoint_url] = _make_client(self._options, endpoint_url)
            return self._clients[endpoint_url]


def _stated_length(answer: GetObjectOutputTypeDef | HeadObjectOutputTypeDef, place: str) -> int:
    """Return the length that an answer states. One without a length comes from a proxy or portal, not from S3."""
    length = answer.get("ContentLength")
    if length is None:
        raise StoreUnavailable(f"the store's endpoint does not answer like S3: {place} has no length")
    return length


def _make_client(options: StoreOptions, endpoint_url: str | None) -> S3Client:
    secret = options.secret_access_key
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": options.addressing_style},
        retries={"mode": "standard", "total_max_attempts": options.max_attempts},
        connect_timeout=options.connect_timeout_seconds,
        read_timeout=options.read_timeout_seconds,
        request_checksum_calculation=options.checksums,
        response_checksum_validation=options.checksums,
        max_pool_connections=_MAX_CONNECTIONS,
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=options.region or (_OTHER_SERVERS_REGION if endpoint_url else None),
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=config,
    )
