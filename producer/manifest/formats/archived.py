"""What is in a ZIP archive: the images of a listing, or those that the manifest in it names."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from producer.manifest.extensions import IMAGE_EXTENSIONS, extension, ignored_note, is_image_name
from producer.manifest.formats.archive import Archive, member_source
from producer.manifest.formats.folder import listed_row
from producer.manifest.input_file import InputFile
from producer.manifest.manifest import Part
from producer.manifest.row import ManifestRow, shortened
from producer.manifest.source import Sources
from shared.errors import ManifestError, SourceRefused

_MANIFESTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".xml")
ReadManifest = Callable[[InputFile, Sources], Part]


def open_archive(path: Path, read_manifest: ReadManifest, *, local: bool) -> Part:
    """Open an archive: by the one manifest in it, else as a listing of its images.

    With ``local`` False (an archive sent to the service) results do not say where it lies. Raises ManifestError.
    """
    archive = Archive(path)
    name = _manifest_in(archive)
    if name is None:
        return ArchivedImages(archive, local=local)
    if refusal := archive.refusal(name):
        raise ManifestError(str(refusal), code=refusal.code)
    return read_manifest(MemberFile(archive, name), MemberSources(Path("/", name).parent, False, archive, local))


def _manifest_in(archive: Archive) -> str | None:
    """Return the name of the manifest nearest the top. Raises ManifestError where there are several.

    Of JSON files only a lone one counts: some cameras and shops write one beside each picture.
    """
    found = [name for name in archive.names if name.lower().endswith((*_MANIFESTS, ".json")) and not _hidden(name)]
    top = min((name.count("/") for name in found), default=0)
    found = [name for name in found if name.count("/") == top]
    sure = [name for name in found if not name.lower().endswith(".json")]
    if len(sure) > 1:
        raise ManifestError(
            f"{archive.path.name} holds several manifests: leave one of {shortened(', '.join(sure))}",
            code="several_manifests",
        )
    found = sure or found
    return found[0] if len(found) == 1 else None


class ArchivedImages:
    """The images of an archive, in its own order; hidden ones are left out."""

    columns = ()

    def __init__(self, archive: Archive, *, local: bool) -> None:
        self.name = archive.path.name
        self._archive = archive
        self._local = local
        ignored = Counter(extension(name) for name in archive.names if not _hidden(name) and not is_image_name(name))
        if not any(self._images()):
            raise ManifestError(
                f"{self.name} holds no images ({ignored.total()} other files); known are: {' '.join(IMAGE_EXTENSIONS)}",
                code="no_images",
            )
        self.ignored = ignored.total()
        self.notes = ignored_note(self.name, ignored)
        digest = hashlib.sha256(b"archive\0" + str(archive.path.absolute()).encode(errors="surrogateescape"))
        for name, size, checksum in archive.contents:
            digest.update(f"\0{name}\0{size}\0{checksum}".encode(errors="replace"))
        self.digest = digest.hexdigest()

    def rows(self) -> Iterator[ManifestRow]:
        """List the images, numbered from 1; one that its archive's directory spoils is a bad row."""
        for number, name in enumerate(self._images(), 1):
            source, problem = member_source(self._archive.path, name), self._archive.refusal(name)
            row = listed_row(number, name, source if self._local else name)
            yield row._replace(source="" if problem else source, error=problem)

    def _images(self) -> Iterator[str]:
        return (name for name in self._archive.names if is_image_name(name) and not _hidden(name))


@dataclass(frozen=True)
class MemberFile:
    """A manifest that lies in an archive."""

    archive: Archive
    path: str

    def __str__(self) -> str:
        return f"{self.path} of {self.archive.path.name}"

    @property
    def name(self) -> str:
        """The path's last part."""
        return posixpath.basename(self.path)

    @property
    def place(self) -> bytes:
        """The archive's path and the file's in it."""
        return member_source(self.archive.path, self.path).encode()

    def open(self) -> BufferedReader:
        """Open the file. Raises OSError."""
        return self.archive.open(self.path)


@dataclass(frozen=True)
class MemberSources(Sources):
    """How the images of a manifest in an archive are found: paths are the archive's own, and name nothing outside.

    ``base``   the manifest's folder, where ``/`` is the archive.
    ``local``  False if results must not say where the archive lies. ``allow_local`` is always False.
    """

    archive: Archive
    local: bool

    def named(self, text: str) -> str:
        """Return what results call an image."""
        named = super().named(text)
        return named if self.local or not named.startswith("zip:") else shortened(text)

    def _local(self, text: str) -> str:
        name = posixpath.normpath(posixpath.join(str(self.base), text.replace("\\", "/"))).lstrip("/")
        if refusal := self.archive.refusal(name):
            raise SourceRefused(str(refusal), code=refusal.code)
        return member_source(self.archive.path, name)


def _hidden(name: str) -> bool:
    """Whether a name is hidden, as the files are that Macs add (``__MACOSX/._red.jpg``)."""
    return any(part.startswith(".") and part != ".." for part in name.split("/"))
