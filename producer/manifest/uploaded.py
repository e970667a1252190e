"""Open uploaded files as a manifest: pictures, archives, or a feed with its pictures by their file names."""

from __future__ import annotations

import hashlib
import posixpath
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from producer.manifest.corrected import CorrectedPart
from producer.manifest.formats.folder import listed_row
from producer.manifest.manifest import Manifest, Part
from producer.manifest.opening import open_file
from producer.manifest.platforms import platform_named
from producer.manifest.row import ManifestRow, shortened
from producer.manifest.source import Sources
from shared.errors import ManifestError, SourceRefused

_NOWHERE = Path("/")


@dataclass(frozen=True)
class UploadedPicture:
    """Picture in the store: its ``source`` there, under a name like ``shoes/red.jpg``; ``pixels`` = width × height."""

    name: str
    source: str
    pixels: int = 0


@dataclass(frozen=True)
class UploadedFile:
    """Manifest or archive on the local disk, under a name like ``spring/feed.csv``."""

    name: str
    path: Path

    @property
    def is_archive(self) -> bool:
        """Return whether it is a ZIP archive."""
        return self.path.suffix.lower() == ".zip"


def open_uploads(
    files: Sequence[UploadedFile],
    pictures: Sequence[UploadedPicture],
    platform: str | None = None,
    corrections: Mapping[int, str] = MappingProxyType({}),
) -> Manifest:
    """Open uploaded files as one manifest; ``corrections`` are images for lines of a feed that has none there.

    A feed names the pictures beside it; without one, each picture is a row, and each archive stands for itself.
    Raises ManifestError, ``several_manifests``, for a feed beside other feeds or archives.
    """
    feeds = [file for file in files if not file.is_archive]
    if feeds and len(files) > 1:
        names = ", ".join(file.name for file in files[:5])
        raise ManifestError(
            f"a feed comes alone or with its pictures, and here are {shortened(names)}: make a batch of each",
            code="several_manifests",
        )
    layout = platform_named(platform) if platform else None
    if feeds:
        base = _NOWHERE / PurePosixPath(feeds[0].name).parent
        sources = UploadSources(base, False, named(pictures))
        feed = open_file(feeds[0].path, sources, layout)
        return Manifest([CorrectedPart(feed, sources, corrections) if corrections else feed], platform)
    parts: list[Part] = [open_file(file.path, Sources(file.path.parent, False), layout) for file in files]
    return Manifest([*([UploadedPictures(pictures)] if pictures else []), *parts], platform)


def open_named(path: Path, pictures: Mapping[str, str]) -> Manifest:
    """Open a manifest file whose rows may name pictures of ``pictures``, sources by name, and no local file."""
    return Manifest([open_file(path, UploadSources(_NOWHERE, False, pictures), None)])


def named(pictures: Sequence[UploadedPicture]) -> dict[str, str]:
    """Return the sources of pictures by name."""
    return {picture.name: picture.source for picture in pictures}


class UploadedPictures:
    """Pictures as a listing, sorted by name."""

    columns = ()
    format = "images"
    ignored = 0
    notes = ()

    def __init__(self, pictures: Sequence[UploadedPicture]) -> None:
        self._pictures = sorted(pictures, key=lambda picture: (picture.name, picture.source))
        self.name = self._pictures[0].name if len(pictures) == 1 else f"{len(pictures)} images"
        digest = hashlib.sha256(b"uploads\0")
        for picture in self._pictures:
            digest.update(f"{picture.name}\0{picture.source}\0".encode())
        self.digest = digest.hexdigest()

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the pictures, numbered from 1."""
        for number, picture in enumerate(self._pictures, 1):
            yield listed_row(number, picture.name, picture.name)._replace(source=picture.source)


@dataclass(frozen=True)
class UploadSources(Sources):
    """Resolve the images of an uploaded manifest: paths refer to the pictures uploaded with it, and to nothing else.

    ``base`` is the manifest's folder, where ``/`` is the folder that was chosen; ``pictures`` are sources by name. A
    path that fits no name fits the one picture of the same file name, in any case and folder: feeds often name
    folders of a server that the merchant has not.
    """

    pictures: Mapping[str, str]
    _by_file_name: dict[str, list[str]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.pictures:
            self._by_file_name.setdefault(_file_name(name), []).append(name)

    def named(self, text: str) -> str:
        """Return the name of an image in results."""
        found = super().named(text)
        return shortened(text) if found in self.pictures.values() else found

    def _local(self, text: str) -> str:
        text = unicodedata.normalize("NFC", text.replace("\\", "/"))
        path = posixpath.normpath(posixpath.join(str(self.base), text)).lstrip("/")
        if (source := self.pictures.get(path) or self.pictures.get(text)) is not None:
            return source
        match self._by_file_name.get(_file_name(text), []):
            case [name]:
                return self.pictures[name]
            case []:
                raise SourceRefused(
                    f"no picture {shortened(text)!r} was uploaded with the feed: upload it too, or correct its name",
                    code="image_not_found",
                )
            case names:
                raise SourceRefused(
                    f"{len(names)} uploaded pictures are named {_file_name(text)!r}: give the path in the feed, as in "
                    f"{names[0]}",
                    code="image_not_found",
                )


def _file_name(path: str) -> str:
    return path.rpartition("/")[2].casefold()
