"""Replace the addresses of pictures in one cell."""

from __future__ import annotations

import re
from collections.abc import Callable

from producer.manifest.pictures import split_pictures

Link = Callable[[int, str], str | None]
"""Maps the line of a record and the address of a picture in it to its new address; None where it stays."""

Write = Callable[[str], None]


def relinked(cell: str, line: int, link: Link) -> str:
    """Return a cell with the new addresses of its pictures; separators and other text stay."""
    new = {address: found for address in split_pictures(cell.strip()) if (found := link(line, address)) is not None}
    if not new:
        return cell
    # The longest first, since an address may begin with another.
    pattern = "|".join(re.escape(address) for address in sorted(new, key=len, reverse=True))
    return re.sub(pattern, lambda match: new[match[0]], cell)
