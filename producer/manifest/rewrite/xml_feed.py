"""Write an XML feed again."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from xml.sax.saxutils import escape

from producer.manifest.formats.textlines import TextFile
from producer.manifest.formats.xml_shape import local_name
from producer.manifest.platforms import compact, is_image
from producer.manifest.rewrite.cells import Link, Write, relinked

_CHUNK = 1 << 16
_LONGEST = 1 << 22
_TOKEN = re.compile(
    r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>|<(?!!\[|!--|\?)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|[^<]+", re.DOTALL
)
_TAG = re.compile(r"<(/?)([^\s/>]+)")
_ATTRIBUTE = re.compile(r"([\w:.-]+)(\s*=\s*)(\"[^\"]*\"|'[^']*')")
_ADDRESS_ATTRIBUTES = ("url", "src", "href", "link")


def rewrite_xml(text: TextFile, link: Link, write: Write) -> None:
    """Write a feed with new addresses for its pictures; what is not well-formed stays as it is."""
    rewriter = _Rewriter(link)
    for token in _tokens(text):
        write(rewriter.rewritten(token))


def _tokens(text: TextFile) -> Iterator[str]:
    held = ""
    with text.open() as file:
        while read := file.read(_CHUNK):
            held += read
            end = 0
            for match in _TOKEN.finditer(held):
                # A text or tag at the end may go on.
                if match.start() != end or match.end() == len(held):
                    break
                end = match.end()
                yield match[0]
            held = held[end:]
            if len(held) > _LONGEST:
                yield held
                held = ""
    yield from _TOKEN.findall(held) if "".join(_TOKEN.findall(held)) == held else [held]


class _Rewriter:
    """Follows the open elements token by token, to know which text is the address of a picture."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._open: list[str] = []  # compact names

    def rewritten(self, token: str) -> str:
        """Return the token as it is to be written."""
        if token.startswith("<![CDATA["):
            inner = token[9:-3]
            new = self._relinked(inner) if self._in_picture else inner
            return token if new == inner else f"<![CDATA[{new}]]>"
        if token.startswith(("<!", "<?")):
            return token
        if token.startswith("<"):
            return self._tag(token)
        if not self._in_picture or not token.strip():
            return token
        cell = html.unescape(token)
        new = self._relinked(cell)
        return token if new == cell else escape(new)

    @property
    def _in_picture(self) -> bool:
        return any(is_image(name) for name in self._open) or self._open[-1:] in (["enclosure"], ["content"])

    def _relinked(self, cell: str) -> str:
        return relinked(cell, 0, self._link)

    def _tag(self, token: str) -> str:
        match = _TAG.match(token)
        if match is None:
            return token
        name = compact(local_name(match[2]))
        if match[1]:
            while self._open and self._open.pop() != name:
                pass  # an element that was never closed
            return token
        self._open.append(name)
        if "=" in token:
            token = _ATTRIBUTE.sub(self._attribute, token)
        if token.endswith("/>"):
            self._open.pop()
        return token

    def _attribute(self, match: re.Match[str]) -> str:
        name, sign, raw = match.groups()
        if not (is_image(compact(local_name(name))) or (name in _ADDRESS_ATTRIBUTES and self._in_picture)):
            return match[0]
        cell = html.unescape(raw[1:-1])
        new = self._relinked(cell)
        if new == cell:
            return match[0]
        return f"{name}{sign}{raw[0]}{escape(new, {raw[0]: '&quot;' if raw[0] == chr(34) else '&apos;'})}{raw[0]}"
