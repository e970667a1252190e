"""The XMP of a rendition: that it was made with AI, and who the photo is by."""

from __future__ import annotations

from xml.sax.saxutils import escape

from workers.images.metadata.credits import Credits

# The IPTC's term for a real capture that a generative model has altered. Its neighbours do not fit:
# ``trainedAlgorithmicMedia`` is for images made by a model alone, ``algorithmicallyEnhanced`` for
# corrections by algorithms that generate nothing.
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def xmp_packet(credits: Credits) -> bytes:
    """Return the XMP packet with the IPTC digital source type and the photo's credits."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f"{_NAMESPACES if credits != Credits() else ''}>"
        f"<Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
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
