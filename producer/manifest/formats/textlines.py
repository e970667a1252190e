"""Read lines of a text file, detecting its encoding and limiting the length of a line."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from producer.manifest.formats.encodings import detect_encoding
from producer.manifest.input_file import InputFile, unreadable

RECORD_LIMIT = 1 << 20  # characters
_HEAD_BYTES = 1 << 20
_GUESSES = {
    "cp1252": "Windows-1252",
    "cp1251": "Windows-1251",
    "gb18030": "GBK",
    "cp932": "Shift_JIS",
}


class Line(NamedTuple):
    """A line with its line end. ``damaged``: not text in the file's encoding; ``partial``: the next goes on with it."""

    number: int
    text: str
    damaged: bool = False
    partial: bool = False


@dataclass(frozen=True)
class TextFile:
    """Text file and its encoding. With ``exact`` every byte of it can be written again from the text."""

    file: InputFile
    encoding: str
    exact: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a note if the encoding is a guess."""
        if self.encoding not in _GUESSES:
            return ()
        return (f"{self.file.name} is not UTF-8 and was read as {_GUESSES[self.encoding]}: check names with accents",)

    def lines(self) -> Iterator[Line]:
        """Yield the lines, a long one in parts. Raises ManifestError, which names the line, if the disk fails."""
        # UTF-16 has no escapes for damaged bytes, so a replacement character marks them.
        damage = re.compile("[\0\ufffd\ud800-\udfff]" if self.is_utf16 else "[\0\udc80-\udcff]")
        number, partial = 0, False
        try:
            with self.open() as file:
                while text := file.readline(RECORD_LIMIT):
                    number += not partial
                    partial = len(text) == RECORD_LIMIT and not text.endswith(("\n", "\r"))
                    yield Line(number, text, damage.search(text) is not None, partial)
        except OSError as error:
            raise unreadable(self.file, error, f" after line {number}" if number else " at all") from error

    @property
    def is_utf16(self) -> bool:
        """Return whether it is any form of UTF-16."""
        return self.encoding.startswith("utf-16")

    def open(self) -> TextIO:
        """Open the file as text. Damaged bytes become lone surrogates, in UTF-16 U+FFFD. Raises OSError."""
        return io.TextIOWrapper(self.file.open(), encoding=self.encoding, errors=self.errors, newline="")

    @property
    def errors(self) -> str:
        """Return how damaged bytes are decoded."""
        if self.is_utf16:
            return "surrogatepass" if self.exact else "replace"
        return "surrogateescape"


def open_text(file: InputFile) -> TextFile:
    """Detect a file's encoding from its first MiB. Raises ManifestError if it cannot be read."""
    return TextFile(file, detect_encoding(read_head(file, _HEAD_BYTES)))


def read_head(file: InputFile, size: int) -> bytes:
    """Return the beginning of a file. Raises ManifestError if it cannot be read."""
    try:
        with file.open() as stream:
            return stream.read(size)
    except OSError as error:
        raise unreadable(file, error) from error
