"""Recognise images in a listing by their extension, or by their content if they have none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

IMAGE_EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng"),
    *(".webp", ".tif", ".tiff", ".gif", ".avif"),
)
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_AVIF_BRANDS = (b"avif", b"avis")
_THUMBNAIL_FOLDERS = frozenset(("@eadir", ".@__thumb", ".thumbnails", "thumbs", "__macosx", "#recycle", "@recycle"))
_KINDS_TOLD = 8


def is_image_name(name: str) -> bool:
    """Return whether a file name has a known extension of images, in any case."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def is_image_file(path: Path) -> bool:
    """Return whether a file is an image: by its extension or, where it has none, by its first bytes."""
    if is_image_name(path.name):
        return True
    if extension(path.name) != WITHOUT_EXTENSION:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    return webp or head.startswith(_SIGNATURES) or (head[4:8] == b"ftyp" and head[8:12] in _AVIF_BRANDS)


def is_left_out(name: str) -> bool:
    """Return whether a file or folder of a listing is hidden, or holds the thumbnails that a system makes by itself."""
    return name.startswith(".") or name.casefold() in _THUMBNAIL_FOLDERS


WITHOUT_EXTENSION = "without extension"


def extension(name: str) -> str:
    """Return a file's extension in lower case for a note. A strange one counts as none."""
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if dot and ending.isalnum() and len(ending) <= 12 else WITHOUT_EXTENSION


def ignored_note(name: str, ignored: Counter[str]) -> tuple[str, ...]:
    """Return a note on the files of a listing that are left out, by extension: they may be unsupported images."""
    if not ignored:
        return ()
    kinds = [f"{count} {kind}" for kind, count in ignored.most_common(_KINDS_TOLD)]
    kinds += ["others"] if len(ignored) > _KINDS_TOLD else []
    return (
        f"{name}: {ignored.total()} files ignored, since they are not in a supported image format: {', '.join(kinds)}",
    )


def left_out_note(name: str, left_out: Counter[str]) -> tuple[str, ...]:
    """Return a note on hidden files and folders of thumbnails that a listing leaves out."""
    if not left_out:
        return ()
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
    return (f"{name}: left out, since they are hidden or thumbnails that a system makes by itself: {kinds}",)


def without_extension(path: str) -> str:
    """Return a POSIX path without its extension. A name that is all extension stays."""
    folder, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + (stem if dot and stem else name)
