"""Write a JSON feed again: JSON Lines or a document."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from producer.manifest.formats.textlines import Line, TextFile
from producer.manifest.platforms import compact, is_image
from producer.manifest.rewrite.cells import Link, Write, added, relinked

_DESCRIBING = ("alt", "name", "title", "caption", "desc", "label")
"""Beginnings of keys under which an object describes its picture."""

_CHUNK = 1 << 16
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^"\[\]{},:]+', re.DOTALL)


def rewrite_json_lines(text: TextFile, editor: JsonEditor, write: Write) -> None:
    """Write JSON Lines with new addresses for their pictures. A damaged or long line stays as it is.

    Pictures are added to lists; an object without any gets a copy that names the others.
    """
    partial = False
    for line in text.lines():
        is_whole, partial = not (line.partial or partial), line.partial
        if is_whole and _is_object(line.text.lstrip("\ufeff")):
            count, passed = editor.count, editor.passed
            write(_rewritten(line, editor))
            if editor.count == count and editor.passed > passed:  # no list: a line of its own
                write("" if line.text.endswith("\n") else "\n")
                write(_rewritten(line, JsonEditor(editor.link, editor.names)))
                editor.count += editor.passed - passed
        else:
            write(line.text)


def rewrite_json_document(text: TextFile, editor: JsonEditor, write: Write) -> None:
    """Write a document with new addresses for its pictures."""
    rewriter = _Rewriter(editor, 0)
    for token in _tokens(text):
        write(rewriter.rewritten(token))


def _rewritten(line: Line, editor: JsonEditor) -> str:
    rewriter = _Rewriter(editor, line.number)
    return "".join(rewriter.rewritten(token) for token in _TOKEN.findall(line.text))


@dataclass
class JsonEditor:
    """What is to be done with the pictures of a feed.

    ``names``   compact names of keys under which pictures stand.
    ``adds``    whether new pictures stand beside the old ones, in lists.
    ``count``   pictures added; ``passed`` are strings beside which there was no list.
    """

    link: Link
    names: Collection[str]
    adds: bool = False
    count: int = 0
    passed: int = 0


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

    def __init__(self, editor: JsonEditor, line: int) -> None:
        self._editor = editor
        self._line = line
        self._added: list[str] = []  # pictures that wait for the end of the object in a list that names them,
        self._depth = 0  # which lies so deep
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
            if self._added and len(self._open) < self._depth:
                return token + self._objects()
        elif token == ",":
            self._is_key = bool(self._open) and self._open[-1] == "{"
        elif token == ":":
            self._is_key = False
        return token

    def _is_address(self) -> bool:
        """Return whether a string here is the address of a picture, by the keys above it."""
        keys = [compact(key) for key in self._keys if key]
        names = self._editor.names
        return any(is_image(key, names) for key in keys) and not keys[-1].startswith(_DESCRIBING)

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
        if self._editor.adds:
            return token + self._beside(token, cell)
        new = relinked(cell, self._line, self._editor.link)
        return token if new == cell else _quoted_like(token, new)

    def _beside(self, token: str, cell: str) -> str:
        """Return what stands behind a string, so that its pictures have others beside them.

        Strings of a list get others. An object in a list is followed by one for each picture, once it ends.
        """
        new = added(cell, self._line, self._editor.link)
        if not new:
            return ""
        if self._open[-1:] == ["["]:
            self._editor.count += len(new)
            return "".join(f", {_quoted_like(token, one)}" for one in new)
        names = self._editor.names
        if self._open[-2:] == ["[", "{"] and any(is_image(compact(key), names) for key in self._keys[:-1] if key):
            self._depth = len(self._open)
            objects = [f'{{"{self._keys[-1]}": {_quoted_like(token, one)}}}' for one in new]
            objects = [one for one in objects if one not in self._added]
            self._added += objects
            self._editor.count += len(objects)
        else:
            self._editor.passed += 1
        return ""

    def _objects(self) -> str:
        objects, self._added = self._added, []
        return "".join(f", {one}" for one in objects)


def _quoted_like(token: str, text: str) -> str:
    """Return a text as a string of JSON, with the escapes that another has."""
    written = json.dumps(text, ensure_ascii=token.isascii())
    return written.replace("/", "\\/") if "\\/" in token else written
