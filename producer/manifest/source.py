"""Turn the text of a row's image column into a URL."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from producer.manifest.addresses import repaired
from producer.manifest.extensions import without_extension
from producer.manifest.formats.archive import member_of
from producer.manifest.row import shortened
from shared.errors import SourceRefused
from shared.plain_text import storable
from shared.web_url import parse_web_url

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(?:[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f])")
_HOST_AND_PORT = re.compile(r"[\w-]+(?:\.[\w-]+)+:\d{1,5}/")
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}/", re.IGNORECASE)
_LENGTH_LIMIT = 4096


@dataclass(frozen=True)
class Sources:
    """Resolve the images of one manifest file.

    ``base``         the manifest's folder, to which relative paths refer.
    ``allow_local``  False for a manifest that came over the API, which may name no local file.
    """

    base: Path
    allow_local: bool

    def resolve(self, text: str) -> str:
        """Return the source as an absolute URL, without accessing any file. Raises SourceRefused."""
        if len(text) <= _LENGTH_LIMIT and _S3.fullmatch(text):
            return text  # fast path for nearly all rows of large manifests
        text = repaired(text)
        if len(text) > _LENGTH_LIMIT or _CONTROL.search(text) or text.lower().startswith("data:"):
            raise SourceRefused(
                f"image {shortened(text)!r} is not a path or URL: write one of at most"
                f" {_LENGTH_LIMIT} characters, without control characters",
                code="bad_source",
            )
        url = _URL.fullmatch(text)
        match url[1].lower() if url else "":
            case "":
                if _HOST_AND_PORT.match(text) and not os.path.exists(self.base / text):
                    raise SourceRefused(
                        f"image {shortened(text)!r} has no scheme: write https:// or http:// before it",
                        code="missing_scheme",
                    )
                return self._local(text)
            case "file":
                return self._local(_path_of_file_url(text))
            case "zip" if self.allow_local and member_of(text):
                return text
            case "s3":
                return s3_source(text)
            case "http" | "https":
                return _web_source(text)
        raise SourceRefused(
            f"image {shortened(text)!r}: only paths and s3://, http:// and https:// URLs are supported",
            code="unsupported_source",
        )

    def named(self, text: str) -> str:
        """Return the URL that ``resolve`` returns, or the text itself where ``resolve`` refuses it."""
        try:
            return self.resolve(text) if text else ""
        except SourceRefused:
            return storable(text)

    def suggested_output(self, text: str) -> str:
        """Return the output name that a source suggests. It depends on the text alone, so it never changes.

        It is the path relative to the manifest's folder or, for everything outside, the last name.
        """
        text = repaired(text)
        if text[:5].lower() == "s3://":
            return without_extension(text.rpartition("/")[2])
        url = _URL.fullmatch(text)
        if url and url[1].lower() != "file":
            path = re.split(r"[?#]", url[2])[0].partition("/")[2].rstrip("/")
            return without_extension(unquote(path.rpartition("/")[2]))
        path = unquote(url[2].partition("/")[2]) if url else text.replace("\\", "/")
        base = str(self.base).rstrip("/") + "/"
        path = posixpath.normpath(posixpath.join(base, "/" * bool(url) + path))
        return without_extension(path[len(base) :] if path.startswith(base) else posixpath.basename(path))

    def _local(self, text: str) -> str:
        if not self.allow_local:
            raise SourceRefused(
                f"image {shortened(text)!r} is a path on a disk, which a manifest sent to the service"
                " cannot name: give an s3:// or https:// URL",
                code="local_path_refused",
            )
        path = os.path.abspath(self.base / text)
        if "\\" in text and not os.path.exists(path):  # a Windows path
            path = os.path.abspath(self.base / text.replace("\\", "/"))
        return Path(path).as_uri()


def s3_source(text: str) -> str:
    """Check an ``s3://bucket/key`` URL and return it. Allowed buckets are checked elsewhere."""
    url = "s3://" + text[len("s3://") :]
    if not _S3.fullmatch(url):
        raise SourceRefused(f"image {shortened(text)!r} names no object: write s3://bucket/key", code="bad_source")
    return url


def missing_file(source: str) -> SourceRefused | None:
    """Return the problem of a missing local file, or None if the source is no file or exists."""
    if member := member_of(source):
        path = str(member[0])
    elif source.startswith("file:"):
        path = unquote(urlsplit(source).path, errors="surrogateescape")
    else:
        return None
    if os.path.isfile(path):
        return None
    problem = "is a folder or device" if os.path.exists(path) else "does not exist"
    return SourceRefused(
        f"image {shortened(path)} {problem}: correct the path (relative paths start at the manifest's folder)",
        code="image_not_found",
    )


def _path_of_file_url(text: str) -> str:
    host, _, path = text[len("file://") :].partition("/")
    if host not in ("", "localhost"):
        raise SourceRefused(f"image {shortened(text)!r} is on another machine", code="unsupported_source")
    return "/" + unquote(path, errors="surrogateescape").replace("\0", "%00")


def _web_source(text: str) -> str:
    parse_web_url(text)
    return text
