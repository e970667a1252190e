"""Read lines of a text file, detecting its encoding and limiting the length of a line."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from producer.manifest.input_file import InputFile, unreadable

RECORD_LIMIT = 1 << 20  # characters
_HEAD_BYTES = 1 << 20
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Line(NamedTuple):
    """A line with its line end. ``damaged``: not text in the file's encoding; ``too_long``: not read."""

    number: int
    text: str
    damaged: bool = False
    too_long: bool = False


@dataclass(frozen=True)
class TextFile:
    """Text file and its encoding."""

    file: InputFile
    encoding: str

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a note if the encoding is a guess."""
        if self.encoding != "cp1252":
            return ()
        return (f"{self.file.name} is not UTF-8 and was read as Windows-1252: check names with accents",)

    def lines(self) -> Iterator[Line]:
        """Yield the lines. Raises ManifestError, which names the line, if the disk fails."""
        # UTF-16 has no escapes for damaged bytes, so a replacement character marks them.
        utf16 = self.encoding == "utf-16"
        damage = re.compile("[\0\ufffd\ud800-\udfff]" if utf16 else "[\0\udc80-\udcff]")
        number = 0
        try:
            with self.open() as file:
                while text := file.readline(RECORD_LIMIT + 1):
                    number += 1
                    if len(text) > RECORD_LIMIT:
                        yield Line(number, "", too_long=True)
                        _pass_over(file, text)
                    else:
                        yield Line(number, text, damaged=damage.search(text) is not None)
        except OSError as error:
            raise unreadable(self.file, error, f" after line {number}" if number else " at all") from error

    def open(self) -> TextIO:
        """Open the file as text. Damaged bytes become lone surrogates, in UTF-16 U+FFFD. Raises OSError."""
        errors = "replace" if self.encoding == "utf-16" else "surrogateescape"
        return io.TextIOWrapper(self.file.open(), encoding=self.encoding, errors=errors, newline="")


def open_text(file: InputFile) -> TextFile:
    """Detect a file's encoding from its first MiB: by its byte order mark, else UTF-8 or Windows-1252.

    A UTF-8 file with a few damaged bytes stays UTF-8, so that only the damaged rows are bad: it counts as UTF-8
    if most of its non-ASCII bytes are.
    """
    try:
        with file.open() as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise unreadable(file, error) from error
    if head.startswith(codecs.BOM_UTF8):
        return TextFile(file, "utf-8-sig")
    if head.startswith(_UTF16_MARKS):
        return TextFile(file, "utf-16")
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head)
    damaged = len(re.findall("[\udc80-\udcff]", text))
    sound = len(re.findall("[^\0-\x7f\udc80-\udcff]", text))
    return TextFile(file, "cp1252" if damaged > sound else "utf-8")


def _pass_over(file: TextIO, text: str) -> None:
    while text and not text.endswith(("\n", "\r")):
        text = file.readline(RECORD_LIMIT)
