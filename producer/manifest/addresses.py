"""Repair the addresses of pictures as shops write them, where what they mean is certain."""

from __future__ import annotations

import re
from urllib.parse import quote

from producer.manifest.credentials import HIDDEN

_INVISIBLE = r"\s\0\u00a0\u00ad\u034f\u061c\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff"
_ENDS = re.compile(f"\\A[{_INVISIBLE}]+|[{_INVISIBLE}]+\\Z")
_WEB = re.compile(r"(https?:)?//", re.IGNORECASE)
_HOST = re.compile(r"//[\w-]+(?:(?:\.[\w-]+)+|:\d{1,5}(?=/))", re.ASCII)
_AMPERSAND = re.compile(r"&(?:(?:amp|#38|#[xX]26);)+")
_UNSAFE = re.compile(r"[^\x00-\x1f\x21-\x7f]+")


def repaired(text: str) -> str:
    """Return an address or path without invisible characters at its ends; a web address also as browsers send it.

    ``//host/x`` and ``www.host/x`` are read as ``https://``, ``&amp;`` as ``&``, spaces and accents are
    percent-encoded, and what hides a user name is removed. Paths and other addresses stay as they are.
    """
    if not text.isprintable() or not text.isascii() or text[:1] == " " or text[-1:] == " ":
        text = _ENDS.sub("", text)
    if text[:4].lower() == "www.":
        text = f"https://{text}"
    elif text.startswith("//") and _HOST.match(text):
        text = f"https:{text}"
    match = _WEB.match(text)
    if match is None:
        return text
    if "&" in text:
        text = _AMPERSAND.sub("&", text)
    if HIDDEN in text:
        text = text.replace(f"//{HIDDEN}@", "//", 1)
    if text.isascii() and " " not in text:
        return text
    end = text.find("/", match.end())
    if end < 0:
        return text
    return text[:end] + _UNSAFE.sub(lambda run: quote(run[0], errors="replace"), text[end:])
