"""Open a manifest by the kind of its input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path, PurePath

from producer.manifest.extensions import IMAGE_EXTENSIONS, is_image_name
from producer.manifest.formats.archived import open_archive
from producer.manifest.formats.folder import Files, Folder, is_pattern, open_pattern
from producer.manifest.formats.json_document import JsonDocument, is_json_document
from producer.manifest.formats.jsonl import JsonLines
from producer.manifest.formats.prefix import ListPrefix, Prefix
from producer.manifest.formats.tabular import Tabular
from producer.manifest.formats.textlines import open_text
from producer.manifest.formats.xml_feed import XmlFeed
from producer.manifest.input_file import DiskFile, InputFile
from producer.manifest.manifest import Manifest, Part
from producer.manifest.source import Sources
from shared.errors import ManifestError, NotFound, UsageError

_TABULAR = (".csv", ".tsv", ".txt")
_JSON = (".jsonl", ".ndjson", ".json")
_XML = (".xml", ".rss", ".atom")
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


def open_manifest(
    inputs: Sequence[str], *, list_prefix: ListPrefix | None = None, allow_local: bool = True
) -> Manifest:
    """Open folders, images, patterns, CSV, JSON and XML files, ZIP archives and S3 prefixes as one manifest.

    With ``allow_local`` False (a manifest sent to the service) the given files are read, but their rows may name no
    local path, and folders, images and patterns are refused. Raises NotFound, UsageError or, for an input without
    images or of unknown form, ManifestError.
    """
    if not inputs:
        raise UsageError(
            "no input given: name a folder, an image, a CSV, JSON or XML file, a ZIP archive, or s3://bucket/prefix"
        )
    if any(not name.strip() for name in inputs):
        raise UsageError("an input is empty, as from a variable that is not set: name a file or folder, or . for here")
    parts: list[Part] = []
    for image, group in groupby(inputs, key=_is_image_file):
        if image:
            parts.append(Files([_local(name, allow_local) for name in group]))
        else:
            parts.extend(_open_part(name, list_prefix, allow_local) for name in group)
    return Manifest(parts)


def _is_image_file(name: str) -> bool:
    return is_image_name(name) and Path(name).is_file()


def _local(name: str, allow_local: bool) -> Path:
    if not allow_local:
        raise UsageError(f"{name} is a path on the service's own disk", code="local_path_refused")
    return Path(name)


def _open_part(name: str, list_prefix: ListPrefix | None, allow_local: bool) -> Part:
    if name.startswith("s3://"):
        return _open_prefix(name, list_prefix)
    if "\0" in name or "://" in name:
        raise UsageError(f"input {name!r} is empty or not valid: name a folder, a file or s3://bucket/prefix")
    path = Path(name)
    if path.is_dir():
        return Folder(_local(name, allow_local), name)
    if path.is_file():
        return _open_file(path, allow_local)
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


def _open_file(path: Path, allow_local: bool) -> Part:
    if path.suffix.lower() in _ARCHIVES:
        return open_archive(path, read_manifest, local=allow_local)
    return read_manifest(DiskFile(path), Sources(path.absolute().parent, allow_local))


def read_manifest(file: InputFile, sources: Sources) -> Part:
    """Open a manifest file by its extension. Raises ManifestError."""
    suffix = PurePath(file.name).suffix.lower()
    if suffix in _TABULAR:
        return Tabular(file, sources)
    if suffix in _JSON:
        text = open_text(file)
        return JsonDocument(text, sources) if is_json_document(text) else JsonLines(text, sources)
    if suffix in _XML:
        return XmlFeed(file, sources)
    known = " ".join((*_TABULAR, *_JSON, *_XML, *_ARCHIVES, *IMAGE_EXTENSIONS))
    advice = f": {_ADVICE[suffix]}" if suffix in _ADVICE else ""
    raise ManifestError(
        f"{file.name} is not a supported manifest{advice}; supported extensions: {known}", code="unknown_kind"
    )
