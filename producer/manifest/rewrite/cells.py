"""Replace the addresses of pictures in one cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from producer.manifest.pictures import split_pictures
from producer.manifest.platforms import IMAGE_COLUMNS, Platform
from shared.errors import ManifestError

Link = Callable[[int, str], str | None]
"""Maps the line of a record and the address of a picture in it to its new address; None where it stays."""

Write = Callable[[str], None]


def relinked(cell: str, line: int, link: Link) -> str:
    """Return a cell with the new addresses of its pictures; separators and other text stay."""
    text = cell.strip()
    new = {address: found for address in split_pictures(text) if (found := link(line, address)) is not None}
    if not new:
        return cell
    if text in new:  # nearly all; a pattern of its own for each would take most of the time
        return cell.replace(text, new[text], 1)
    # The longest first, since an address may begin with another.
    pattern = "|".join(re.escape(address) for address in sorted(new, key=len, reverse=True))
    return re.sub(pattern, lambda match: new[match[0]], cell)


def added(cell: str, line: int, link: Link) -> list[str]:
    """Return the new addresses of a cell's pictures, which are to stand beside the old ones."""
    return [found for address in split_pictures(cell.strip()) if (found := link(line, address)) is not None]


def image_names(platform: Platform | None, *, weak: bool) -> Collection[str]:
    """Return the compact names under which pictures stand: the usual ones, and those of a platform that was named.

    With ``weak`` the platform's names that may also lead to other pages count too.
    """
    if platform is None and not weak:
        return IMAGE_COLUMNS
    own = (platform or Platform("plain", "")).images
    return frozenset((*IMAGE_COLUMNS, *(name for name in own if weak or name not in ("url", "path"))))


def no_place(name: str) -> ManifestError:
    """Return the error for a feed that has no room for further pictures."""
    return ManifestError(
        f"{name} has no place for further pictures, such as a column additional_image_link or a list"
        " images: let the renditions replace the photos",
        code="no_place_for_pictures",
    )
