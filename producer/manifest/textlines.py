"""Lines of a text file in an encoding that is found out, none longer than a limit."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from shared.errors import ManifestError

RECORD_LIMIT = 1 << 20  # characters
_HEAD_BYTES = 1 << 20
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its end. ``damaged``: not text in the file's encoding; ``too_long``: left unread."""

    number: int
    text: str
    damaged: bool = False
    too_long: bool = False


@dataclass(frozen=True)
class TextFile:
    """A text file and the encoding it is read in."""

    path: Path
    encoding: str

    @property
    def notes(self) -> tuple[str, ...]:
        """Say so where the encoding is a guess."""
        if self.encoding != "cp1252":
            return ()
        return (f"{self.path.name} is not UTF-8 and was read as Windows-1252: check names with accents",)

    def lines(self) -> Iterator[Line]:
        """Read line by line. Raises ManifestError naming the line where the disk fails."""
        # UTF-16 knows no escapes for damaged bytes, so a replacement character marks them there.
        utf16 = self.encoding == "utf-16"
        damage = re.compile("[\0\ufffd\ud800-\udfff]" if utf16 else "[\0\udc80-\udcff]")
        errors = "replace" if utf16 else "surrogateescape"
        number = 0
        try:
            with self.path.open(encoding=self.encoding, errors=errors, newline="") as file:
                while text := file.readline(RECORD_LIMIT + 1):
                    number += 1
                    if len(text) > RECORD_LIMIT:
                        yield Line(number, "", too_long=True)
                        _pass_over(file, text)
                    else:
                        yield Line(number, text, damaged=damage.search(text) is not None)
        except OSError as error:
            where = f"after line {number}" if number else "at all"
            raise ManifestError(
                f"{self.path} cannot be read {where}: {error.strerror}", code="manifest_unreadable"
            ) from error


def open_text(path: Path) -> TextFile:
    """Find out a file's encoding from its first MiB: its byte order mark, UTF-8, or Windows-1252.

    A UTF-8 file with a few damaged bytes stays UTF-8, so that only the damaged rows are bad: what
    counts is whether more of the non-ASCII bytes are UTF-8 or not.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}", code="manifest_unreadable") from error
    if head.startswith(codecs.BOM_UTF8):
        return TextFile(path, "utf-8-sig")
    if head.startswith(_UTF16_MARKS):
        return TextFile(path, "utf-16")
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head)
    damaged = len(re.findall("[\udc80-\udcff]", text))
    sound = len(re.findall("[^\0-\x7f\udc80-\udcff]", text))
    return TextFile(path, "cp1252" if damaged > sound else "utf-8")


def _pass_over(file: TextIO, text: str) -> None:
    while text and not text.endswith(("\n", "\r")):
        text = file.readline(RECORD_LIMIT)
