"""How a picture came about, as its file says by the IPTC's Digital Source Type."""

from __future__ import annotations

import re

from PIL import Image

from workers.images.metadata.xmp import read_properties

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""Address that the addresses of all terms begin with."""

_PROPERTY = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
_TERM = re.compile(rf"{VOCABULARY.replace('http', 'https?')}([a-zA-Z]{{1,60}})")


def read_source_type(image: Image.Image) -> str:
    """Return the address of the term in a picture's XMP; empty where there is none, or it is of another vocabulary."""
    packet = image.info.get("xmp")
    values = read_properties(packet if isinstance(packet, bytes) else b"", (_PROPERTY,))
    match = _TERM.fullmatch(values.get(_PROPERTY, [""])[0].strip())
    return f"{VOCABULARY}{match[1]}" if match else ""
