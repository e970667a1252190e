"""Which files of a listing are images, by their extension."""

from __future__ import annotations

from collections import Counter

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".avif")
_KINDS_TOLD = 8


def is_image_name(name: str) -> bool:
    """Tell whether a file's name has one of the known extensions, in any case."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def extension(name: str) -> str:
    """Return a file's extension in lower case, as a note names it; what is too odd for one counts as none."""
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if dot and ending.isalnum() and len(ending) <= 12 else "without extension"


def ignored_note(name: str, ignored: Counter[str]) -> tuple[str, ...]:
    """Tell the merchant what of a listing is left out, by extension: it may be images of a kind not read here."""
    if not ignored:
        return ()
    kinds = [f"{count} {kind}" for kind, count in ignored.most_common(_KINDS_TOLD)]
    kinds += ["others"] if len(ignored) > _KINDS_TOLD else []
    return (f"{name}: {ignored.total()} files that are no images of a kind read here: {', '.join(kinds)}",)


def without_extension(path: str) -> str:
    """Return a POSIX path without its extension; a name that is nothing else stays."""
    folder, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + (stem if dot and stem else name)
