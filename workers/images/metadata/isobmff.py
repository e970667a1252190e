"""The boxes of AVIF and HEIC (ISO base media file format) that describe the main picture."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MAX_BOXES = 5_000
_LARGE_SIZE, _TO_THE_END = 1, 0


@dataclass(frozen=True)
class MainPicture:
    """What the boxes say about the main picture; None where they do not.

    ``size``  width and height before any turn.
    ``nclx``  code points of primaries, transfer and matrix, and whether the full range is used.
    """

    size: tuple[int, int] | None = None
    nclx: tuple[int, int, int, bool] | None = None


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int
    end: int


def read_main_picture(data: bytes) -> MainPicture:
    """Read the properties of the primary item, as far as the boxes are sound."""
    try:
        return _read(data)
    except (struct.error, IndexError):
        return MainPicture()


def _read(data: bytes) -> MainPicture:
    meta = _first(data, 0, len(data), b"meta")
    if meta is None:
        return MainPicture()
    inside = (meta.start + 4, meta.end)
    item, properties = _first(data, *inside, b"pitm"), _first(data, *inside, b"iprp")
    if item is None or properties is None:
        return MainPicture()
    number = struct.unpack_from(">L" if data[item.start] else ">H", data, item.start + 4)[0]
    container = _first(data, properties.start, properties.end, b"ipco")
    links = _first(data, properties.start, properties.end, b"ipma")
    if container is None or links is None:
        return MainPicture()
    boxes = list(_boxes(data, container.start, container.end))
    chosen = [boxes[index - 1] for index in _linked(data, links, number) if 1 <= index <= len(boxes)]
    return MainPicture(size=_size(data, chosen), nclx=_nclx(data, chosen))


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes between two places; each box's start is that of its content."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">L4s", data, start)
        content = start + 8
        if size == _LARGE_SIZE:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = end if size == _TO_THE_END else start + size
        if not content <= stop <= end:
            return
        yield _Box(kind, content, stop)
        start = stop


def _first(data: bytes, start: int, end: int, kind: bytes) -> _Box | None:
    return next((box for box in _boxes(data, start, end) if box.kind == kind), None)


def _linked(data: bytes, links: _Box, item: int) -> list[int]:
    """Numbers, from 1, of the properties that are linked to an item."""
    version, wide = data[links.start], data[links.start + 3] & 1
    (entries,) = struct.unpack_from(">L", data, links.start + 4)
    at = links.start + 8
    for _ in range(min(entries, _MAX_BOXES)):
        number = struct.unpack_from(">L" if version else ">H", data, at)[0]
        at += 4 if version else 2
        count, at = data[at], at + 1
        if number == item:
            # The highest bit says whether a reader must understand the property.
            return [value & (0x7FFF if wide else 0x7F) for value in _unsigned(data, at, count, wide=bool(wide))]
        at += count * (2 if wide else 1)
    return []


def _unsigned(data: bytes, at: int, count: int, *, wide: bool) -> tuple[int, ...]:
    return struct.unpack_from(f">{count}{'H' if wide else 'B'}", data, at)


def _size(data: bytes, properties: list[_Box]) -> tuple[int, int] | None:
    for box in properties:
        if box.kind == b"ispe":
            width, height = struct.unpack_from(">LL", data, box.start + 4)
            return width, height
    return None


def _nclx(data: bytes, properties: list[_Box]) -> tuple[int, int, int, bool] | None:
    for box in properties:
        if box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx":
            primaries, transfer, matrix, flags = struct.unpack_from(">HHHB", data, box.start + 4)
            return primaries, transfer, matrix, bool(flags & 0x80)
    return None
