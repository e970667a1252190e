"""The few fields of an EXIF block that matter here."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_ORIENTATION, _ARTIST, _COPYRIGHT = 0x0112, 0x013B, 0x8298
_EXIF_DIRECTORY, _INTEROPERABILITY_DIRECTORY = 0x8769, 0xA005
_COLOUR_SPACE, _INTEROPERABILITY_INDEX = 0xA001, 0x0001

_ASCII, _SHORT, _LONG, _UTF8 = 2, 3, 4, 129
_MAGIC = (b"*\0", b"\0*")  # in either byte order: some programs write the wrong one
_MAX_ENTRIES = 1_000
_MAX_TEXT_BYTES = 4_096


@dataclass(frozen=True)
class Exif:
    """What an EXIF block says; fields that are missing or make no sense have their defaults.

    ``colour_space``       1 for sRGB, 2 for Adobe RGB (of some cameras), 65535 for another one.
    ``interoperability``   ``R98`` for sRGB, ``R03`` for Adobe RGB (DCF option file), or empty.
    ``copyright``          of photographer and editor, separated by NUL where both are there.
    """

    orientation: int = 1
    colour_space: int = 0
    interoperability: str = ""
    artist: str = ""
    copyright: str = ""


@dataclass(frozen=True)
class _Entry:
    kind: int
    count: int
    at: int


def read_exif(block: bytes) -> Exif:
    """Read an EXIF block, or a TIFF file.

    By hand: Pillow parses the whole block, and fails, or warns, when an unrelated part of it is damaged, which is
    common in photos that several programs have edited.
    """
    reader = _Reader.of(block.removeprefix(b"Exif\x00\x00"))
    if reader is None:
        return Exif()
    main = reader.directory(reader.unpack("L", 4))
    camera = reader.directory(reader.number(main.get(_EXIF_DIRECTORY)))
    names = reader.directory(reader.number(camera.get(_INTEROPERABILITY_DIRECTORY)))
    orientation = reader.number(main.get(_ORIENTATION))
    return Exif(
        orientation=orientation if 1 <= orientation <= 8 else 1,
        colour_space=reader.number(camera.get(_COLOUR_SPACE)),
        interoperability=reader.text(names.get(_INTEROPERABILITY_INDEX)),
        artist=reader.text(main.get(_ARTIST)),
        copyright=reader.text(main.get(_COPYRIGHT)),
    )


@dataclass(frozen=True)
class _Reader:
    """Reads a block within its bounds: what lies outside is 0, or empty."""

    block: bytes
    order: str

    @staticmethod
    def of(block: bytes) -> _Reader | None:
        order = {b"II": "<", b"MM": ">"}.get(block[:2]) if block[2:4] in _MAGIC else None
        return None if order is None else _Reader(block, order)

    def unpack(self, kind: str, at: int) -> int:
        try:
            return int(struct.unpack_from(self.order + kind, self.block, at)[0])
        except struct.error:
            return 0

    def directory(self, start: int) -> dict[int, _Entry]:
        """Entries by tag, the first of each, as far as the block goes."""
        entries: dict[int, _Entry] = {}
        if start == 0:
            return entries
        first = start + 2
        for at in range(first, first + 12 * min(self.unpack("H", start), _MAX_ENTRIES), 12):
            entry = _Entry(self.unpack("H", at + 2), self.unpack("L", at + 4), at + 8)
            entries.setdefault(self.unpack("H", at), entry)
        return entries

    def number(self, entry: _Entry | None) -> int:
        if entry is None or entry.kind not in (_SHORT, _LONG):
            return 0
        return self.unpack("H" if entry.kind == _SHORT else "L", entry.at)

    def text(self, entry: _Entry | None) -> str:
        """UTF-8, as EXIF 3 and most programs write it, else Latin-1."""
        if entry is None or entry.kind not in (_ASCII, _UTF8):
            return ""
        at = entry.at if entry.count <= 4 else self.unpack("L", entry.at)
        content = self.block[at : at + min(entry.count, _MAX_TEXT_BYTES)].rstrip(b"\0")
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content.decode("latin-1")
