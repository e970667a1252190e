"""Open a manifest by the kind of its input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path, PurePath

from producer.manifest.extensions import IMAGE_EXTENSIONS, is_image_file
from producer.manifest.formats.archived import open_archive
from producer.manifest.formats.folder import Files, Folder, is_pattern, open_pattern
from producer.manifest.formats.json_document import JsonDocument, is_json_document
from producer.manifest.formats.jsonl import JsonLines
from producer.manifest.formats.prefix import ListPrefix, Prefix
from producer.manifest.formats.tabular import Tabular
from producer.manifest.formats.textlines import open_text, read_head
from producer.manifest.formats.xml_feed import XmlFeed
from producer.manifest.gzipped import MAGIC, GzippedFile
from producer.manifest.input_file import DiskFile, InputFile
from producer.manifest.manifest import Manifest, Part
from producer.manifest.platforms import Platform, platform_named
from producer.manifest.source import Sources
from shared.errors import ManifestError, NotFound, UsageError

_TABULAR = (".csv", ".tsv", ".txt")
_JSON = (".jsonl", ".ndjson", ".json")
_XML = (".xml", ".rss", ".atom", ".yml")
_ARCHIVES = (".zip",)
_ADVICE = {
    ".tar": "unpack it and name the folder, or send a ZIP",
    ".tgz": "unpack it and name the folder, or send a ZIP",
    ".gz": "unpack it and name what was in it, or send a ZIP",
    ".rar": "unpack it and name the folder, or send a ZIP",
    ".7z": "unpack it and name the folder, or send a ZIP",
    ".xls": "save the sheet as CSV",
    ".xlsx": "save the sheet as CSV",
    ".ods": "save the sheet as CSV",
    ".heic": "export it as JPEG",
}
_JSON_START = re.compile(r'\[\s*\{|\{\s*"')
_HEAD_BYTES = 1 << 16
_CHARACTERS_SNIFFED = 4096


def open_manifest(
    inputs: Sequence[str],
    *,
    list_prefix: ListPrefix | None = None,
    allow_local: bool = True,
    platform: str | None = None,
) -> Manifest:
    """Open folders, images, patterns, CSV, JSON and XML files, ZIP archives and S3 prefixes as one manifest.

    With ``allow_local`` False (a manifest sent to the service) the given files are read, but their rows may name no
    local path, and folders, images and patterns are refused. The layout of feeds is recognised, unless ``platform``
    names it. Raises NotFound, UsageError or, for an input without
    images or of unknown form, ManifestError.
    """
    if not inputs:
        raise UsageError(
            "no input given: name a folder, an image, a CSV, JSON or XML file, a ZIP archive, or s3://bucket/prefix"
        )
    if any(not name.strip() for name in inputs):
        raise UsageError("an input is empty, as from a variable that is not set: name a file or folder, or . for here")
    layout = platform_named(platform) if platform else None
    parts: list[Part] = []
    for image, group in groupby(inputs, key=_is_image_file):
        if image:
            parts.append(Files([_local(name, allow_local) for name in group]))
        else:
            parts.extend(_open_part(name, list_prefix, allow_local, layout) for name in group)
    return Manifest(parts, platform)


def _is_image_file(name: str) -> bool:
    path = Path(name)
    return path.is_file() and is_image_file(path)


def _local(name: str, allow_local: bool) -> Path:
    if not allow_local:
        raise UsageError(f"{name} is a path on the service's own disk", code="local_path_refused")
    return Path(name)


def _open_part(name: str, list_prefix: ListPrefix | None, allow_local: bool, platform: Platform | None) -> Part:
    if name.startswith("s3://"):
        return _open_prefix(name, list_prefix)
    if "\0" in name or "://" in name:
        raise UsageError(f"input {name!r} is empty or not valid: name a folder, a file or s3://bucket/prefix")
    path = Path(name)
    if path.is_dir():
        return Folder(_local(name, allow_local), name)
    if path.is_file():
        return open_file(path, Sources(path.absolute().parent, allow_local), platform)
    if is_pattern(name) and not path.exists():
        return open_pattern(str(_local(name, allow_local)))
    problem = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise NotFound(f"input {name} {problem}: check the path")


def _open_prefix(url: str, list_prefix: ListPrefix | None) -> Prefix:
    if list_prefix is None:
        raise UsageError(f"input {url}: no object store is configured to list it")
    if url.lower().endswith(_TABULAR + _JSON + _XML + _ARCHIVES):
        raise UsageError(f"input {url} is a manifest or archive in an object store: download it and submit the file")
    return Prefix(url, list_prefix)


def open_file(path: Path, sources: Sources, platform: Platform | None) -> Part:
    """Open an archive or a manifest, whose images ``sources`` resolves unless they lie in the archive itself.

    Raises ManifestError.
    """
    if path.suffix.lower() in _ARCHIVES:
        return open_archive(path, partial(read_manifest, platform=platform), local=sources.allow_local)
    file: InputFile = DiskFile(path)
    if read_head(file, len(MAGIC)) == MAGIC and path.suffix.lower() != ".tgz":
        file = GzippedFile(file)
    return read_manifest(file, sources, platform)


def read_manifest(file: InputFile, sources: Sources, platform: Platform | None = None) -> Part:
    """Open a manifest file by its content, and by its extension where that does not decide. Raises ManifestError."""
    suffix = PurePath(file.name).suffix.lower()
    head = read_head(file, _HEAD_BYTES)
    text = open_text(file)
    if suffix in _ADVICE or _is_binary(head, utf16=text.is_utf16):
        raise _unknown_kind(file, suffix)
    start = head.decode(text.encoding, errors="ignore")[:_CHARACTERS_SNIFFED].lstrip(" \t\r\n\ufeff")
    if start.startswith("<") or (suffix in _XML and not start.startswith(("{", "["))):
        if start[:15].lower().startswith(("<!doctype html", "<html")):
            raise ManifestError(
                f"{file.name} is a web page and no feed: perhaps its address needs a login; save the feed itself",
                code="unknown_kind",
            )
        return XmlFeed(file, sources, platform)
    if suffix in _JSON or _JSON_START.match(start):
        return JsonDocument(text, sources, platform) if is_json_document(text) else JsonLines(text, sources, platform)
    return Tabular(file, sources, platform)


def _is_binary(head: bytes, *, utf16: bool) -> bool:
    """Return whether a file is no text: an archive, a spreadsheet or a picture."""
    return head.startswith((b"PK\3\4", b"%PDF", b"\xd0\xcf\x11\xe0")) or (not utf16 and head[:1024].count(0) > 32)


def _unknown_kind(file: InputFile, suffix: str) -> ManifestError:
    known = " ".join((*_TABULAR, *_JSON, *_XML, *_ARCHIVES, *IMAGE_EXTENSIONS))
    advice = f": {_ADVICE[suffix]}" if suffix in _ADVICE else ""
    return ManifestError(
        f"{file.name} is not a supported manifest{advice}; supported extensions: {known}", code="unknown_kind"
    )
