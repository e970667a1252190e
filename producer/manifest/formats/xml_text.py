"""Read an XML file as text that a strict parser accepts, repairing what shops' programs get wrong.

Repaired are blank lines or a program's messages before the first tag, a bare ``&``, HTML's names such as ``&nbsp;``,
and characters that XML does not allow; nothing within CDATA but the last. The encoding is the byte order mark's, else
the declared one.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from html.entities import html5
from xml.sax.saxutils import escape

from producer.manifest.findings import Findings
from producer.manifest.formats.encodings import detect_encoding
from producer.manifest.input_file import InputFile
from shared.errors import ManifestError

_CHUNK = 1 << 16
_HEAD = 1 << 16
_DECLARED = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)[\"']")
_DECLARED_TEXT = re.compile(r"<\?xml\s[^>]*\?>")
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_AMPERSAND = re.compile(
    r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});)(?:([a-zA-Z][a-zA-Z0-9]{1,31});)?"
)
_NUMBER = re.compile(r"&#(?:([0-9]{1,7})|x([0-9a-fA-F]{1,6}));")
_SECTION = re.compile(r"<!\[CDATA\[|<!--")
_LONGEST_TOKEN = 40
_UNSUITABLE = ("utf-7", "utf_7", "utf7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined")


def xml_text(file: InputFile, findings: Findings) -> Iterator[str]:
    """Yield the text of an XML file in pieces. Raises OSError, and ManifestError for an unknown encoding."""
    with file.open() as stream:
        head = stream.peek(_HEAD)
        encoding = xml_encoding(file, head)
        reader = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
        repair = Repair(findings)
        started = False
        while read := reader.read(_CHUNK):
            if not started:
                at = read.find("<")
                if at < 0:
                    continue
                read, started = "\n" * read.count("\n", 0, at) + _DECLARED_TEXT.sub(_blank, read[at:], count=1), True
            yield repair.feed(read)
        yield repair.finish()


def _blank(match: re.Match[str]) -> str:
    """Replace the XML declaration, which is true no longer, and may not follow blank lines."""
    return "\n" * match[0].count("\n")


def xml_encoding(file: InputFile, head: bytes) -> str:
    """Return the encoding of an XML file: the byte order mark's, else the declared one. Raises ManifestError."""
    detected = detect_encoding(head)
    if detected not in ("utf-8", "cp1252", "cp1251", "gb18030", "cp932"):
        return detected
    declared = _DECLARED.search(head[:1000])
    if declared is None:
        return detected
    name = declared[1].decode("ascii")
    try:
        known = codecs.lookup(name).name
        if known.startswith(("utf-16", "utf-32")):
            return detected  # its bytes say that it is none
        if known in _UNSUITABLE or name.lower() in _UNSUITABLE or "<".encode(known) != b"<":
            raise LookupError
    except (LookupError, UnicodeError, TypeError):
        if known := _known_without_signs(name):
            return known
        raise ManifestError(
            f"{file.name}: its encoding {name[:40]!r} is unknown: save it as UTF-8", code="bad_xml"
        ) from None
    return {"iso8859-1": "cp1252"}.get(known, known)


def _known_without_signs(name: str) -> str:
    """Return the codec of a name with signs too many, such as ``cp-1251``; empty if there is none."""
    bare = re.sub(r"[^a-z0-9]", "", name.lower())
    try:
        return "" if bare in _UNSUITABLE else codecs.lookup(bare).name
    except LookupError:
        return ""


class Repair:
    """Repairs text that comes in pieces. Holds back a piece's end, where a token may be incomplete."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._held = ""
        self._until = ""  # the end of the CDATA section or comment that is open

    def feed(self, text: str) -> str:
        """Return the repaired text that is complete."""
        text = self._held + self._valid(text)
        cut = _complete_until(text)
        self._held = text[cut:]
        return "".join(self._pieces(text[:cut]))

    def finish(self) -> str:
        """Return what was held back."""
        text, self._held = self._held, ""
        return "".join(self._pieces(text))

    def _valid(self, text: str) -> str:
        if text.isprintable():
            return text
        text, count = _NOT_XML.subn("\N{REPLACEMENT CHARACTER}", text)
        if count:
            self._findings.add("control", count=count)
        return text

    def _pieces(self, text: str) -> Iterator[str]:
        position = 0
        while position < len(text):
            if self._until:
                end = text.find(self._until, position)
                end = len(text) if end < 0 else end + len(self._until)
                yield text[position:end]
                self._until = self._until if not text.endswith(self._until, position, end) else ""
            else:
                section = _SECTION.search(text, position)
                end = section.end() if section else len(text)
                yield self._escaped(text[position:end])
                if section:
                    self._until = "]]>" if section[0] != "<!--" else "-->"
            position = end

    def _escaped(self, text: str) -> str:
        if "&" not in text:
            return text
        text, count = _AMPERSAND.subn(_replacement, text)
        text = _NUMBER.sub(_allowed_number, text)
        if count:
            self._findings.add("ampersand", count=count)
        return text


def _complete_until(text: str) -> int:
    """Return where a token begins at the end of the text that may not be complete."""
    ends = len(text)
    name = text.rfind("&", max(0, ends - _LONGEST_TOKEN))
    section = text.rfind("<", max(0, ends - len("<![CDATA[")))
    closing = [text.find(char, max(0, ends - 2)) for char in "]-"]
    return min((at for at in (name, section, *closing) if at >= 0), default=ends)


def _replacement(match: re.Match[str]) -> str:
    if match[1] is None:
        return "&amp;"
    character = html5.get(f"{match[1]};")
    return escape(character) if character is not None else f"&amp;{match[1]};"


def _allowed_number(match: re.Match[str]) -> str:
    number = int(match[1]) if match[1] else int(match[2], 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF or _NOT_XML.match(chr(number)):
        return "\N{REPLACEMENT CHARACTER}"
    return match[0]
