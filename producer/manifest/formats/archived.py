"""Read the contents of a ZIP archive as a manifest: its images, or the images that a manifest in it names."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from producer.manifest.extensions import IMAGE_EXTENSIONS, extension, ignored_note, is_image_name, is_left_out
from producer.manifest.formats.archive import Archive, member_source
from producer.manifest.formats.folder import listed_row
from producer.manifest.input_file import InputFile
from producer.manifest.manifest import Part
from producer.manifest.row import ManifestRow, shortened
from producer.manifest.source import Sources
from shared.errors import ManifestError, SourceRefused

_MANIFESTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".xml", ".yml", ".rss", ".atom")
ReadManifest = Callable[[InputFile, Sources], Part]


def open_archive(path: Path, read_manifest: ReadManifest, *, local: bool) -> Part:
    """Open an archive, by the manifest in it if there is one, else as a listing of its images.

    With ``local`` False (an archive sent to the service) results do not contain its path. Raises ManifestError.
    """
    archive = Archive(path)
    name = _manifest_in(archive)
    if name is None:
        return ArchivedImages(archive, local=local)
    if refusal := archive.refusal(name):
        raise ManifestError(str(refusal), code=refusal.code)
    return read_manifest(MemberFile(archive, name), MemberSources(Path("/", name).parent, False, archive, local))


def manifest_member(path: Path) -> MemberFile | None:
    """Return the manifest in an archive, None if it is a listing of images. Raises ManifestError."""
    archive = Archive(path)
    name = _manifest_in(archive)
    return None if name is None else MemberFile(archive, name)


def _manifest_in(archive: Archive) -> str | None:
    """Return the manifest nearest the top, or None. Raises ManifestError if there are several.

    A JSON file counts only if it is alone, since some cameras and shops write one for each picture.
    """
    manifests = [name for name in archive.names if name.lower().endswith((*_MANIFESTS, ".json")) and not _hidden(name)]
    top = min((name.count("/") for name in manifests), default=0)
    manifests = [name for name in manifests if name.count("/") == top]
    sure = [name for name in manifests if not name.lower().endswith(".json")]
    if len(sure) > 1:
        raise ManifestError(
            f"{archive.path.name} contains several manifests: keep only one of {shortened(', '.join(sure))}",
            code="several_manifests",
        )
    manifests = sure or manifests
    return manifests[0] if len(manifests) == 1 else None


class ArchivedImages:
    """Images of an archive, in archive order, without hidden ones."""

    columns = ()
    format = "archive"

    def __init__(self, archive: Archive, *, local: bool) -> None:
        self.name = archive.path.name
        self._archive = archive
        self._local = local
        ignored = Counter(extension(name) for name in archive.names if not _hidden(name) and not is_image_name(name))
        if not any(self._images()):
            raise ManifestError(
                f"{self.name} contains no images ({ignored.total()} other files); "
                f"supported extensions: {' '.join(IMAGE_EXTENSIONS)}",
                code="no_images",
            )
        self.ignored = ignored.total()
        self.notes = ignored_note(self.name, ignored)
        digest = hashlib.sha256(b"archive\0" + str(archive.path.absolute()).encode(errors="surrogateescape"))
        for name, size, checksum in archive.contents:
            digest.update(f"\0{name}\0{size}\0{checksum}".encode(errors="replace"))
        self.digest = digest.hexdigest()

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the images, numbered from 1. A member with a problem gives a bad row."""
        for number, name in enumerate(self._images(), 1):
            source, problem = member_source(self._archive.path, name), self._archive.refusal(name)
            row = listed_row(number, name, source if self._local else name)
            yield row._replace(source="" if problem else source, error=problem)

    def _images(self) -> Iterator[str]:
        return (name for name in self._archive.names if is_image_name(name) and not _hidden(name))


@dataclass(frozen=True)
class MemberFile:
    """Manifest file in an archive."""

    archive: Archive
    path: str

    def __str__(self) -> str:
        return f"{self.path} of {self.archive.path.name}"

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return posixpath.basename(self.path)

    @property
    def place(self) -> bytes:
        """Return the archive's path and the file's path in it."""
        return member_source(self.archive.path, self.path).encode()

    def open(self) -> BufferedReader:
        """Open the file. Raises OSError."""
        return self.archive.open(self.path)


@dataclass(frozen=True)
class MemberSources(Sources):
    """Resolve the images of a manifest in an archive: paths refer to members, and to nothing outside.

    ``base``   the manifest's folder, where ``/`` is the archive.
    ``local``  False if results must not contain the archive's path. ``allow_local`` is always False.
    """

    archive: Archive
    local: bool

    def named(self, text: str) -> str:
        """Return the name of an image in results."""
        named = super().named(text)
        return named if self.local or not named.startswith("zip:") else shortened(text)

    def _local(self, text: str) -> str:
        name = posixpath.normpath(posixpath.join(str(self.base), text.replace("\\", "/"))).lstrip("/")
        if refusal := self.archive.refusal(name):
            raise SourceRefused(str(refusal), code=refusal.code)
        return member_source(self.archive.path, name)


def _hidden(name: str) -> bool:
    """Return whether a name is hidden, like the files that macOS adds (``__MACOSX/._red.jpg``)."""
    return any(is_left_out(part) and part != ".." for part in name.split("/"))
