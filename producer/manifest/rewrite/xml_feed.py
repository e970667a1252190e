"""Write an XML feed again."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from producer.manifest.formats.textlines import TextFile
from producer.manifest.formats.xml_shape import local_name
from producer.manifest.platforms import compact, is_image
from producer.manifest.rewrite.cells import Link, Write, added, relinked

_CHUNK = 1 << 16
_LONGEST = 1 << 22
_TOKEN = re.compile(
    r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>|<(?!!\[|!--|\?)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|[^<]+", re.DOTALL
)
_TAG = re.compile(r"<(/?)([^\s/>]+)")
_ATTRIBUTE = re.compile(r"([\w:.-]+)(\s*=\s*)(\"[^\"]*\"|'[^']*')")
_ENCLOSURES = ("enclosure", "content")
_FURTHER_TAGS = {"imagelink": "additional_image_link", "imgurl": "IMGURL_ALTERNATIVE", "main": "i"}
_ADDRESS_ATTRIBUTES = ("url", "src", "href", "link")


@dataclass
class XmlEditor:
    """What is to be done with the pictures of a feed.

    ``names``  compact names of elements and attributes in which pictures stand.
    ``adds``   whether new pictures stand in elements of their own behind the old ones.
    ``count``  pictures added; ``passed`` are those of attributes that cannot be repeated.
    """

    link: Link
    names: Collection[str]
    adds: bool = False
    count: int = 0
    passed: int = 0


def rewrite_xml(text: TextFile, editor: XmlEditor, write: Write) -> None:
    """Write a feed with new addresses for its pictures; what is not well-formed stays as it is."""
    rewriter = _Rewriter(editor)
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


@dataclass
class _Element:
    """An open element: its name as compared and as written, the space before it, and pictures to add behind it."""

    name: str
    tag: str
    indent: str
    added: list[str] = field(default_factory=list)


class _Rewriter:
    """Follows the open elements token by token, to know which text is the address of a picture."""

    def __init__(self, editor: XmlEditor) -> None:
        self._editor = editor
        self._open: list[_Element] = []
        self._space = ""  # the space before the next tag

    def rewritten(self, token: str) -> str:
        """Return the token as it is to be written."""
        space, self._space = self._space, ""
        if token.startswith("<![CDATA["):
            inner = token[9:-3]
            new = self._edited(inner) if self._in_picture else inner
            return token if new == inner else f"<![CDATA[{new}]]>"
        if token.startswith(("<!", "<?")):
            return token
        if token.startswith("<"):
            return self._tag(token, space)
        if not token.strip():
            self._space = token
            return token
        if not self._in_picture:
            return token
        cell = html.unescape(token)
        new = self._edited(cell)
        return token if new == cell else escape(new)

    @property
    def _in_picture(self) -> bool:
        return any(self._is_picture(one.name) for one in self._open) or (
            bool(self._open) and self._open[-1].name in _ENCLOSURES
        )

    def _is_picture(self, name: str) -> bool:
        return is_image(name, self._editor.names)

    def _edited(self, cell: str) -> str:
        """Return a text with new addresses; where pictures are added, note them and return it as it is."""
        if not self._editor.adds:
            return relinked(cell, 0, self._editor.link)
        self._note("", added(cell, 0, self._editor.link))
        return cell

    def _note(self, attribute: str, new: list[str]) -> None:
        """Note pictures for behind the element that repeats: the innermost that is one of pictures by its name."""
        names = [one.name for one in self._open]
        index = next((i for i in reversed(range(len(names))) if self._is_picture(names[i])), len(names) - 1)
        if names[index].endswith("s") and index + 1 < len(names):
            index += 1  # a list, as in <imgs><main url=…/></imgs>
        for address in new:
            self._open[index].added.append(_element(self._open[index:], attribute, address))
            self._editor.count += 1

    def _tag(self, token: str, space: str) -> str:
        match = _TAG.match(token)
        if match is None:
            return token
        name = compact(local_name(match[2]))
        if match[1]:
            return token + self._closed(name)
        self._open.append(_Element(name, match[2], space))
        if "=" in token:
            token = _ATTRIBUTE.sub(self._attribute, token)
        return token + self._closed(name) if token.endswith("/>") else token

    def _closed(self, name: str) -> str:
        """Close an element, and those in it that were never closed; return what is added behind it."""
        behind = ""
        while self._open:
            element = self._open.pop()
            behind += "".join(element.indent + one for one in element.added)
            if element.name == name:
                break
        return behind

    def _attribute(self, match: re.Match[str]) -> str:
        name, sign, raw = match.groups()
        is_picture = self._is_picture(compact(local_name(name)))
        if not (is_picture or (name in _ADDRESS_ATTRIBUTES and self._in_picture)):
            return match[0]
        cell = html.unescape(raw[1:-1])
        if self._editor.adds:
            new = added(cell, 0, self._editor.link)
            if is_picture and not self._in_picture:  # <product image="…"/>
                self._editor.passed += len(new)
            else:
                self._note(name, new)
            return match[0]
        text = relinked(cell, 0, self._editor.link)
        if text == cell:
            return match[0]
        return f"{name}{sign}{raw[0]}{escape(text, {raw[0]: '&quot;' if raw[0] == chr(34) else '&apos;'})}{raw[0]}"


def _element(path: Sequence[_Element], attribute: str, address: str) -> str:
    """Return an element with a further picture, built like the one at the end of a path of elements."""
    tags = [_further_tag(path[0]), *(one.tag for one in path[1:])]
    if attribute:
        inner = f'<{tags[-1]} {attribute}="{escape(address, {chr(34): "&quot;"})}"/>'
    else:
        inner = f"<{tags[-1]}>{escape(address)}</{tags[-1]}>"
    for tag in reversed(tags[:-1]):
        inner = f"<{tag}>{inner}</{tag}>"
    return inner


def _further_tag(element: _Element) -> str:
    """Return the name of an element with a further picture: its own, but where a format has another one for these."""
    prefix, colon, _ = element.tag.rpartition(":")
    return prefix + colon + _FURTHER_TAGS[element.name] if element.name in _FURTHER_TAGS else element.tag
