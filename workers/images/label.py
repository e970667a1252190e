"""The XMP of a rendition: how it was made, by the IPTC's terms, and who the photo is by.

The terms are those of the IPTC's NewsCodes "Digital Source Type" (https://cv.iptc.org/newscodes/digitalsourcetype/).
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from workers.images.metadata.credits import Credits
from workers.images.metadata.source_type import VOCABULARY

COMPOSITE = f"{VOCABULARY}compositeWithTrainedAlgorithmicMedia"
"""A real capture that a generative model has altered: a painted photo."""

GENERATED = f"{VOCABULARY}trainedAlgorithmicMedia"
"""Made by a generative model alone: only a source can say that of itself."""

ALTERED = f"{VOCABULARY}algorithmicallyEnhanced"
"""Algorithmically altered by what was trained on nothing: a halftone screen, a film's curve."""

DIGITAL_SOURCE_TYPE = COMPOSITE
"""What a rendition is where nothing else is said."""

_ONCE_GENERATED = (GENERATED, f"{VOCABULARY}compositeSynthetic", f"{VOCABULARY}algorithmicMedia")


def source_type(before: str, *, painted: bool, altered: bool) -> str:
    """Return the digital source type of a rendition; empty if there is none to tell.

    Args:
        before: the type that the source says of itself, or empty.
        painted: whether a trained model had a part in the rendition.
        altered: whether a style changed it at all.

    A picture that was generated stays that, whatever is done to it, and one with generated parts keeps them. What
    only changed size or format is still what it was.
    """
    if before in _ONCE_GENERATED:
        return before
    if painted or before == COMPOSITE:
        return COMPOSITE
    return ALTERED if altered else before


def xmp_packet(credits: Credits, digital_source_type: str = DIGITAL_SOURCE_TYPE) -> bytes:
    """Return the XMP packet with the IPTC digital source type, unless it is empty, and the photo's credits."""
    label = f"<Iptc4xmpExt:DigitalSourceType>{escape(digital_source_type)}</Iptc4xmpExt:DigitalSourceType>"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f"{_NAMESPACES if credits != Credits() else ''}>"
        f"{label if digital_source_type else ''}"
        f"{_properties(credits)}"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="r"?>'
    ).encode()


_NAMESPACES = ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'


def _properties(credits: Credits) -> str:
    written = ""
    if credits.creators:
        items = "".join(f"<rdf:li>{escape(creator)}</rdf:li>" for creator in credits.creators)
        written += f"<dc:creator><rdf:Seq>{items}</rdf:Seq></dc:creator>"
    if credits.rights:
        item = f'<rdf:li xml:lang="x-default">{escape(credits.rights)}</rdf:li>'
        written += f"<dc:rights><rdf:Alt>{item}</rdf:Alt></dc:rights>"
    if credits.credit:
        written += f"<photoshop:Credit>{escape(credits.credit)}</photoshop:Credit>"
    return written
