"""Which files of a listing are images, by their extension."""

from __future__ import annotations

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".avif")


def is_image_name(name: str) -> bool:
    """Tell whether a file's name has one of the known extensions, in any case."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def without_extension(path: str) -> str:
    """Return a POSIX path without its extension; a name that is nothing else stays."""
    folder, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + (stem if dot and stem else name)
