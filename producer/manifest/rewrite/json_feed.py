"""Write a JSON feed again: JSON Lines or a document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from producer.manifest.formats.textlines import TextFile
from producer.manifest.platforms import compact, is_image
from producer.manifest.rewrite.cells import Link, Write, relinked

_DESCRIBING = ("alt", "name", "title", "caption", "desc", "label")
"""Beginnings of keys under which an object describes its picture."""

_CHUNK = 1 << 16
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^"\[\]{},:]+', re.DOTALL)


def rewrite_json_lines(text: TextFile, link: Link, write: Write) -> None:
    """Write JSON Lines with new addresses for their pictures. A damaged or long line stays as it is."""
    partial = False
    for line in text.lines():
        is_whole, partial = not (line.partial or partial), line.partial
        if is_whole and _is_object(line.text.lstrip("\ufeff")):
            rewriter = _Rewriter(link, line.number)
            write("".join(rewriter.rewritten(token) for token in _TOKEN.findall(line.text)))
        else:
            write(line.text)


def rewrite_json_document(text: TextFile, link: Link, write: Write) -> None:
    """Write a document with new addresses for its pictures."""
    rewriter = _Rewriter(link, 0)
    for token in _tokens(text):
        write(rewriter.rewritten(token))


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _tokens(text: TextFile) -> Iterator[str]:
    held = ""
    with text.open() as file:
        while read := file.read(_CHUNK):
            held += read
            end = 0
            for match in _TOKEN.finditer(held):
                if match.start() != end:
                    break  # a string whose end has not been read yet
                end = match.end()
                yield match[0]
            held = held[end:]
    if held:
        yield held


class _Rewriter:
    """Follows the structure of a document token by token, to know under which keys a string stands."""

    def __init__(self, link: Link, line: int) -> None:
        self._link = link
        self._line = line
        self._open: list[str] = []  # the brackets that are open
        self._keys: list[str] = []  # the key in each of them, empty in a list
        self._is_key = False

    def rewritten(self, token: str) -> str:
        """Return the token as it is to be written."""
        if token[0] == '"' and len(token) > 1:
            return self._string(token)
        if token in "{[":
            self._open.append(token)
            self._keys.append("")
            self._is_key = token == "{"
        elif token in "}]":
            if self._open:
                self._open.pop()
                self._keys.pop()
            self._is_key = False
        elif token == ",":
            self._is_key = bool(self._open) and self._open[-1] == "{"
        elif token == ":":
            self._is_key = False
        return token

    def _is_address(self) -> bool:
        """Return whether a string here is the address of a picture, by the keys above it."""
        keys = [compact(key) for key in self._keys if key]
        return any(map(is_image, keys)) and not keys[-1].startswith(_DESCRIBING)

    def _string(self, token: str) -> str:
        if self._is_key:
            self._keys[-1] = token[1:-1]
            return token
        if not self._is_address():
            return token
        try:
            cell = str(json.loads(token, strict=False))
        except ValueError:
            return token
        new = relinked(cell, self._line, self._link)
        if new == cell:
            return token
        written = json.dumps(new, ensure_ascii=token.isascii())
        return written.replace("/", "\\/") if "\\/" in token else written
