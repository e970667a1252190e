"""Reading a few properties out of an XMP packet."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"

_MAX_BYTES = 1024 * 1024


def read_properties(packet: bytes, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the values of those of the named properties that the packet has; none where it is not sound XML.

    A packet with a document type is not read: XMP has none, and one could make a small packet huge.
    """
    if len(packet) > _MAX_BYTES or not any(name.rpartition("}")[2].encode() in packet for name in names):
        return {}
    try:
        text = packet.decode().strip("\0 \ufeff\r\n\t")
        root = None if "<!" in text else ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return {}
    found: dict[str, list[str]] = {}
    for description in [] if root is None else _descriptions(root):
        for name in names:
            values = _values(description, name)
            if values:
                found.setdefault(name, values)
    return found


def _descriptions(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yield those of the picture itself, and not of pictures that went into it."""
    for rdf in root.iter(f"{RDF}RDF"):
        yield from rdf.findall(f"{RDF}Description")


def _values(description: ElementTree.Element, name: str) -> list[str]:
    """Read a property, which may be an attribute, an element, or a list within one."""
    if name in description.attrib:
        return [description.attrib[name]]
    element = description.find(name)
    if element is None:
        return []
    items = [item.text or "" for item in element.iter(f"{RDF}li")]
    return items or [element.text or ""]
