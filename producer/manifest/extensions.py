"""Recognise images in a listing by their extension."""

from __future__ import annotations

from collections import Counter

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".avif")
_KINDS_TOLD = 8


def is_image_name(name: str) -> bool:
    """Return whether a file name has a known extension of images, in any case."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def extension(name: str) -> str:
    """Return a file's extension in lower case for a note. A strange one counts as none."""
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if dot and ending.isalnum() and len(ending) <= 12 else "without extension"


def ignored_note(name: str, ignored: Counter[str]) -> tuple[str, ...]:
    """Return a note on the files of a listing that are left out, by extension: they may be unsupported images."""
    if not ignored:
        return ()
    kinds = [f"{count} {kind}" for kind, count in ignored.most_common(_KINDS_TOLD)]
    kinds += ["others"] if len(ignored) > _KINDS_TOLD else []
    return (
        f"{name}: {ignored.total()} files ignored, since they are not in a supported image format: {', '.join(kinds)}",
    )


def without_extension(path: str) -> str:
    """Return a POSIX path without its extension. A name that is all extension stays."""
    folder, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + (stem if dot and stem else name)
