"""Find the pictures that one cell of a feed names.

A cell is split at ``,`` ``;`` ``|`` or a space only where an address follows, or where every part is a path of an
image: a comma within an address stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from producer.manifest.extensions import is_image_name

_ADDRESS = r"(?:(?:https?|s3|file|ftp)://|//[\w-]+(?:\.[\w-]+|:\d)|www\.)"
_BEFORE_ADDRESS = re.compile(rf"(?:\s*(?:[,;|]|%2C|%3B|%7C)\s*|\s+)(?=[\"']?{_ADDRESS})", re.IGNORECASE)
_STARTS_ADDRESS = re.compile(_ADDRESS, re.IGNORECASE)
_BETWEEN_PATHS = re.compile(r"\s*[,;|\n]\s*")
_SEPARATORS = re.compile(r"[,;|\s\[{]|%(?:2C|3B|7C)", re.IGNORECASE)
# "address ! alt : … ! title : …", as importers for WordPress write it.
_DESCRIPTION = re.compile(r"\s+!\s*(?:alt|title|desc|caption)\s*:.*", re.DOTALL)
_ADDRESS_KEYS = ("src", "url", "href", "link", "image", "original", "originalsrc", "source", "path", "file")
_ENDS = " \t\r\n,;|"


def split_pictures(cell: str) -> list[str]:
    """Return the addresses and paths in a cell, in order, each once."""
    if not _SEPARATORS.search(cell):
        return [cell] if cell else []  # nearly all
    if cell[0] in "[{" and (listed := _listed(cell)) is not None:
        return list(dict.fromkeys(listed))
    parts = [part for line in cell.splitlines() for part in _parts_of_line(line)]
    return list(dict.fromkeys(part for part in map(_cleaned, parts) if part))


def _parts_of_line(line: str) -> list[str]:
    line = _DESCRIPTION.sub("", line) if "|" not in line else line
    parts = _BEFORE_ADDRESS.split(line.strip(_ENDS))
    if len(parts) > 1 or _STARTS_ADDRESS.match(line.strip()):
        return [_DESCRIPTION.sub("", part) for part in parts]
    for pattern in (_BETWEEN_PATHS, re.compile(r"[\s,;|]+")):
        paths = [part for part in pattern.split(line) if part.strip()]
        if len(paths) > 1 and all(map(is_image_name, map(_cleaned, paths))):
            return paths
    return [line]


def _cleaned(part: str) -> str:
    part = part.strip()
    if len(part) > 1 and part[0] == part[-1] and part[0] in "\"'":
        part = part[1:-1].strip()
    return part.rstrip(",;|") if _STARTS_ADDRESS.match(part) else part


def _listed(cell: str) -> list[str] | None:
    """Return the addresses in a JSON list or object; None where the cell is none."""
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        inner = cell.strip("[] ")
        return [_cleaned(part) for part in inner.split(",")] if cell[0] == "[" and "'" in cell else None
    return [text for text in _addresses(value, 0) if text.strip()]


def _addresses(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth < 8:
        for item in value:
            yield from _addresses(item, depth + 1)
    elif isinstance(value, dict) and depth < 8:
        named = {key.lower().replace("_", ""): item for key, item in value.items()}
        address = next((named[key] for key in _ADDRESS_KEYS if isinstance(named.get(key), str)), None)
        if address is not None:
            yield address
            return
        for item in value.values():
            if not isinstance(item, str) or _STARTS_ADDRESS.match(item) or is_image_name(item):
                yield from _addresses(item, depth + 1)
