"""Reading a few fields out of an IPTC block (IIM), as older programs write it into JPEG and TIFF."""

from __future__ import annotations

import struct

_MARKER = 0x1C
_MAX_FIELDS = 1_000
_ENVELOPE, _CHARACTER_SET, _UTF8 = 1, 90, b"\x1b%G"


def read_fields(block: bytes, record: int, numbers: tuple[int, ...]) -> dict[int, list[str]]:
    """Return the texts of those of the numbered fields of a record that the block has, as far as it is sound."""
    found: dict[int, list[bytes]] = {}
    encoding, at = "cp1252", 0
    for _ in range(_MAX_FIELDS):
        if at + 5 > len(block) or block[at] != _MARKER:
            break
        kind, number, size = struct.unpack_from(">BBH", block, at + 1)
        content = block[at + 5 : at + 5 + size]
        if len(content) < size:  # broken off, or one of the fields above 32 kB, whose size is written otherwise
            break
        if (kind, number, content) == (_ENVELOPE, _CHARACTER_SET, _UTF8):
            encoding = "utf-8"
        elif kind == record and number in numbers:
            found.setdefault(number, []).append(content)
        at += 5 + size
    return {number: [text.decode(encoding, "replace") for text in texts] for number, texts in found.items()}
