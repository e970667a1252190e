"""Output names: where in the merchant's ``--out`` the rendition of a row goes."""

from __future__ import annotations

import re
import unicodedata
from array import array

from producer.manifest.extensions import is_image_name

_PART_BYTES = 180  # file systems stop at 255; the rest is for -2, the preset and the extension
_TOTAL_BYTES = 700  # object keys stop at 1,024
_FORBIDDEN = frozenset('<>:"|?*\\')
_REPORT = re.compile(r"(results\.csv|errors\.csv|rules\.csv|gallery\.html)", re.IGNORECASE)
"""Names of files that stand beside the renditions: no folder of theirs may have one of them."""

_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.[^/]*)?", re.IGNORECASE)
_PLAIN_PART = r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:/|\Z))[a-z0-9_-]+"
_PLAIN = re.compile(f"{_PLAIN_PART}(?:/{_PLAIN_PART})*", re.IGNORECASE | re.ASCII)


class OutputNames:
    """Gives every row a safe name that no other row of the manifest has, whatever the case.

    The second of equal names gets ``-2``, the third ``-3``: always the same for the same rows.
    Memory: 16 MiB per million rows (24 MiB for a moment while the table grows), because only 8 bytes
    of each name's hash are kept, and about 100 bytes more for each name that was wished for twice.
    Two names whose hashes are equal by chance (once in 30 million manifests of a million rows) cost
    the second a needless ``-2``, and in this reading only, since each process hashes in a way of its own.
    """

    def __init__(self) -> None:
        self._taken = HashSet()
        self._next: dict[int, int] = {}

    def claim(self, wish: str) -> str:
        """Return the wished name made safe, numbered if it is taken."""
        name = safe_output(wish)
        key = _key(name)
        if self._taken.add(key):
            return name
        # Where the last one of this name ended; searching from 2 each time would be quadratic.
        number = self._next.get(key, 2)
        while not self._taken.add(_key(f"{name}-{number}")):
            number += 1
        self._next[key] = number + 1
        return f"{name}-{number}"


def safe_output(wish: str) -> str:
    """Make a relative POSIX path of any text that every file system, archive and shop accepts."""
    if len(wish) <= _PART_BYTES and _PLAIN.fullmatch(wish):
        return wish  # nearly all are such, and ten times as fast
    text = unicodedata.normalize("NFC", wish).replace("\\", "/")
    parts = [_safe_part(part) or "_" for part in text.split("/") if part.strip(" .")]
    if not parts:
        return "image"
    # A folder "red.webp" could stand in the way of a rendition "red.webp".
    parts[:-1] = [part + "_" if is_image_name(part) or _REPORT.fullmatch(part) else part for part in parts[:-1]]
    while sum(len(part.encode()) + 1 for part in parts) > _TOTAL_BYTES:
        del parts[0]
    return "/".join(parts)


def _safe_part(part: str) -> str:
    part = "".join("_" if _is_unsafe(char) else char for char in part.strip().rstrip(". "))
    part = part.encode()[:_PART_BYTES].decode(errors="ignore").rstrip(". ")
    # Neither hidden nor, on Windows, the name of a device.
    return "_" + part if part.startswith(".") or _DEVICE.fullmatch(part) else part


def _is_unsafe(char: str) -> bool:
    if char.isascii():
        return char < " " or char == "\x7f" or char in _FORBIDDEN
    return unicodedata.category(char)[0] == "C" or unicodedata.category(char) in ("Zl", "Zp")


def _key(name: str) -> int:
    # Folding can undo the composition, so compose again.
    folded = name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())
    # Python's own hash of a text: 64 bits, of SipHash with a secret of the process, so nobody can aim at it.
    return hash(folded) & 0xFFFF_FFFF_FFFF_FFFF or 1


class HashSet:
    """A set of 64-bit hashes above 0 in one flat table; Python's own takes about six times the memory."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))  # 0 marks a free one
        self._room = self._most()

    def add(self, value: int) -> bool:
        """Add a hash; False if it was there."""
        slots = self._slots
        mask = len(slots) - 1
        slot = value & mask
        while found := slots[slot]:
            if found == value:
                return False
            slot = (slot + 1) & mask
        slots[slot] = value
        self._room -= 1
        if not self._room:
            self._grow()
        return True

    def _most(self) -> int:
        return len(self._slots) * 2 // 3

    def _grow(self) -> None:
        old = self._slots
        self._slots = slots = array("Q", bytes(16 * len(old)))
        mask = len(slots) - 1
        for value in old:
            if value:
                slot = value & mask
                while slots[slot]:
                    slot = (slot + 1) & mask
                slots[slot] = value
        self._room = self._most() - len(old) * 2 // 3
