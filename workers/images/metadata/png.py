"""The chunks of a PNG."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

_SIGNATURE_BYTES, _FRAME_BYTES = 8, 12
_MAX_CHUNKS = 100_000
_COLOUR = (b"cICP", b"sRGB", b"gAMA", b"cHRM")
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")


@dataclass(frozen=True)
class Chunk:
    """A chunk: its name, and where it begins and ends, with its length, name and checksum."""

    name: bytes
    start: int
    end: int


@dataclass(frozen=True)
class PngColour:
    """What the chunks say about colour, each as the file has it; None where it is missing.

    ``cicp``           code points of primaries, transfer and matrix, and whether the full range is used.
    ``gamma``          exponent of encoding, times 100,000.
    ``chromaticities`` x and y of white, red, green and blue, times 100,000.
    """

    cicp: tuple[int, int, int, int] | None
    is_srgb: bool
    gamma: int | None
    chromaticities: tuple[int, ...] | None


def read_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks, as far as they are whole and not too many."""
    start = _SIGNATURE_BYTES
    for _ in range(_MAX_CHUNKS):
        if start + _FRAME_BYTES > len(data):
            return
        length, name = struct.unpack_from(">L4s", data, start)
        end = start + _FRAME_BYTES + length
        if end > len(data):
            return
        yield Chunk(name, start, end)
        start = end


def read_colour(data: bytes) -> PngColour:
    """Read cICP, sRGB, gAMA and cHRM, which stand before the pixels; one of a wrong length is as good as none."""
    bodies: dict[bytes, bytes] = {}
    for chunk in takewhile(lambda chunk: chunk.name != b"IDAT", read_chunks(data)):
        if chunk.name in _COLOUR:
            bodies.setdefault(chunk.name, data[chunk.start + 8 : min(chunk.end - 4, chunk.start + 40)])
    cicp = _integers(bodies.get(b"cICP"), ">4B")
    gamma = _integers(bodies.get(b"gAMA"), ">L")
    return PngColour(
        cicp=(cicp[0], cicp[1], cicp[2], cicp[3]) if cicp else None,
        is_srgb=len(bodies.get(b"sRGB", b"")) == 1,
        gamma=gamma[0] if gamma else None,
        chromaticities=_integers(bodies.get(b"cHRM"), ">8L"),
    )


def still(data: bytes) -> bytes:
    """Return an animated PNG as a plain one; a plain one as it is.

    What stays is the first frame, or the picture for programs that show no animation. Decoders that know animations
    refuse the whole file where the frames are out of order, or not described.
    """
    if not any(name in data for name in _ANIMATION):
        return data
    parts, at = [], 0
    for chunk in read_chunks(data):
        if chunk.name in _ANIMATION:
            parts.append(data[at : chunk.start])
            at = chunk.end
    return b"".join((*parts, data[at:]))


def bit_depth(data: bytes) -> int:
    """Bits per channel as the IHDR chunk has it."""
    return data[24]


def _integers(body: bytes | None, layout: str) -> tuple[int, ...] | None:
    if body is None or len(body) != struct.calcsize(layout):
        return None
    return struct.unpack(layout, body)
