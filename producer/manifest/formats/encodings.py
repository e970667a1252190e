"""Detect the encoding of a text file from its beginning."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KANA = re.compile("[\u3040-\u30ff]")
_HANZI = re.compile("[\u4e00-\u9fff]")
_CYRILLIC_RUN = re.compile(rb"[\xc0-\xff\xa8\xb8]{3,}")
_HIGH = re.compile(rb"[\x80-\xff]")
# In GB 2312 the common characters come first, in rows that begin with these bytes.
_COMMON_HANZI = re.compile(rb"[\xb0-\xd7][\xa1-\xfe]")


def detect_encoding(head: bytes) -> str:
    """Return the encoding: by the byte order mark, else UTF-8 or UTF-16, else the likeliest older one.

    A UTF-8 file with a few damaged bytes stays UTF-8, so that only the damaged rows are bad: it counts as UTF-8
    if most of its non-ASCII bytes are.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if utf16 := _utf16_without_mark(head):
        return utf16
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head)
    damaged = len(re.findall("[\udc80-\udcff]", text))
    sound = len(re.findall("[^\0-\x7f\udc80-\udcff]", text))
    return _older(head) if damaged > sound else "utf-8"


def _utf16_without_mark(head: bytes) -> str | None:
    """Recognise UTF-16 by every second byte being NUL, as in ASCII text."""
    some = head[:4096]
    even, odd = some[0::2], some[1::2]
    if not odd:
        return None
    if odd.count(0) * 2 > len(odd) and even.count(0) * 10 < len(even):
        return "utf-16-le"
    if even.count(0) * 2 > len(even) and odd.count(0) * 10 < len(odd):
        return "utf-16-be"
    return None


def _older(head: bytes) -> str:
    high = len(_HIGH.findall(head))
    if (text := _decoded(head, "cp932")) is not None and len(_KANA.findall(text)) * 8 > high:
        return "cp932"
    if (text := _decoded(head, "gb18030")) is not None:
        common = 2 * len(_COMMON_HANZI.findall(head))
        if common * 5 > high * 3 and len(_HANZI.findall(text)) * 3 > high:
            return "gb18030"
    in_words = sum(map(len, _CYRILLIC_RUN.findall(head)))
    return "cp1251" if in_words * 2 > high else "cp1252"


def _decoded(head: bytes, encoding: str) -> str | None:
    """Decode the head, whose last character may be cut off; None if it is not in this encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
