"""Who a photo is by, read from every place that says it, and written into the rendition."""

from __future__ import annotations

import io
import struct
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.picture_files import saved
from workers.images.decode import Limits, decode
from workers.images.encode import encode
from workers.images.metadata.credits import Credits, clean

PIXELS = np.full((16, 16, 3), 120, np.uint8)
NAMESPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:x="adobe:ns:meta/"'
)
FULL = (
    "<dc:creator><rdf:Seq><rdf:li>Ana Müller</rdf:li><rdf:li>Bo</rdf:li></rdf:Seq></dc:creator>"
    '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© 2026 Faro &amp; Co</rdf:li>'
    '<rdf:li xml:lang="de">andere</rdf:li></rdf:Alt></dc:rights><photoshop:Credit>Faro / Pool</photoshop:Credit>'
)
EXPECTED = Credits(("Ana Müller", "Bo"), "© 2026 Faro & Co", "Faro / Pool")


def xmp(properties: str, attributes: str = "") -> bytes:
    return (
        f'<x:xmpmeta {NAMESPACES}><rdf:RDF><rdf:Description rdf:about="" {attributes}>{properties}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def exif(**fields: bytes) -> bytes:
    """A block with Artist and Copyright as raw bytes, as cameras write them."""
    tags = {"artist": 0x013B, "copyright": 0x8298}
    entries, texts = b"", b""
    for name, text in sorted(fields.items()):
        at = 8 + 2 + 12 * len(fields) + 4 + len(texts)
        entries += struct.pack(">HHLL", tags[name], 2, len(text), at)
        texts += text
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(fields)) + entries + bytes(4) + texts


def iptc_jpeg(*fields: tuple[int, int, bytes], photo: bytes | None = None) -> bytes:
    records = b"".join(
        b"\x1c" + struct.pack(">BBH", record, number, len(text)) + text for record, number, text in fields
    )
    block = (
        b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">L", len(records)) + records + b"\0" * (len(records) % 2)
    )
    photo = photo or saved(PIXELS, "JPEG")
    return photo[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + photo[2:]


def credits_of(data: bytes) -> Credits:
    return decode(data, Limits()).credits


def packet_of(data: bytes) -> bytes:
    packet: bytes = Image.open(io.BytesIO(data)).info["xmp"]
    return packet


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "TIFF", "PNG"])
def test_xmp_is_read_from_every_format(format: str) -> None:
    if format == "PNG":
        data = encode(PIXELS, None, "png", credits=EXPECTED).data
    else:
        data = saved(PIXELS, format, **({"tiffinfo": {700: xmp(FULL)}} if format == "TIFF" else {"xmp": xmp(FULL)}))
    assert credits_of(data) == EXPECTED


def test_xmp_properties_may_be_attributes() -> None:
    data = saved(PIXELS, "JPEG", xmp=xmp("", 'dc:rights="© Bo" photoshop:Credit="Pool"'))
    assert credits_of(data) == Credits((), "© Bo", "Pool")


def test_credits_of_another_picture_within_are_not_read() -> None:
    inner = f"<x:Pantry><rdf:Bag><rdf:li><rdf:Description>{FULL}</rdf:Description></rdf:li></rdf:Bag></x:Pantry>"
    assert credits_of(saved(PIXELS, "JPEG", xmp=xmp(inner))) == Credits()


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG"])
def test_exif_is_read(format: str) -> None:
    block = exif(artist="Ana Müller\0".encode(), copyright=b"(c) Ana\0(c) Faro\0")
    assert credits_of(saved(PIXELS, format, exif=block)) == Credits(("Ana Müller",), "(c) Ana; (c) Faro")


def test_latin_exif_is_read() -> None:
    assert credits_of(saved(PIXELS, "JPEG", exif=exif(artist="Ana Müller".encode("latin-1")))).creators == (
        "Ana Müller",
    )


def test_tiff_tags_are_read() -> None:
    data = saved(PIXELS, "TIFF", tiffinfo={315: "Ana", 33432: "(c) Faro"})
    assert credits_of(data) == Credits(("Ana",), "(c) Faro")


def test_iptc_is_read_in_both_character_sets() -> None:
    fields = ((2, 80, "Ana Müller"), (2, 80, "Bo"), (2, 110, "Pool"), (2, 116, "© Faro"))
    western = [(record, number, text.encode("cp1252")) for record, number, text in fields]
    unicode = [(1, 90, b"\x1b%G"), *((record, number, text.encode()) for record, number, text in fields)]
    expected = Credits(("Ana Müller", "Bo"), "© Faro", "Pool")
    assert credits_of(iptc_jpeg(*western)) == credits_of(iptc_jpeg(*unicode)) == expected


def test_texts_of_a_png_are_read() -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Author", "Ana")
    info.add_text("Copyright", "(c) Faro")
    assert credits_of(saved(PIXELS, "PNG", pnginfo=info)) == Credits(("Ana",), "(c) Faro")


def test_each_field_comes_from_the_newest_place_that_has_it() -> None:
    photo = saved(
        PIXELS, "JPEG", xmp=xmp("", 'photoshop:Credit="XMP"'), exif=exif(artist=b"EXIF", copyright=b"EXIF (c)")
    )
    data = iptc_jpeg((2, 110, b"IPTC"), (2, 80, b"IPTC"), photo=photo)
    assert credits_of(data) == Credits(("IPTC",), "EXIF (c)", "XMP")


@pytest.mark.parametrize(
    "packet",
    [
        b"<x:xmpmeta creator",
        b"creator \xff\xfe\x00",
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>' + xmp("<dc:rights>&a;</dc:rights>"),
        b"<a>" * 20_000 + b"creator",
        xmp(f"<dc:rights>{'x' * 2**21}</dc:rights>")[: 2**16 - 100],
    ],
)
def test_xmp_that_is_damaged_or_hostile_costs_only_the_credits(packet: bytes) -> None:
    assert credits_of(saved(PIXELS, "WEBP", xmp=packet)) == Credits()


@pytest.mark.parametrize("block", [b"", b"\x1c", b"\x1c\x02\x50\xff\xff", b"\x1c\x02\x74\x80\x04\0\0\0\0"])
def test_damaged_iptc_costs_only_the_credits(block: bytes) -> None:
    photo = saved(PIXELS, "JPEG")
    resources = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">L", len(block)) + block + b"\0" * (len(block) % 2)
    data = photo[:2] + b"\xff\xed" + struct.pack(">H", len(resources) + 2) + resources + photo[2:]
    assert credits_of(data) == Credits()


def test_texts_are_cleaned_and_bounded() -> None:
    assert clean("  A\0n\x07a\r\n\u202eMüller\ud800 \ufffe ") == "Ana Müller"
    assert len(clean("x" * 100_000)) == 500
    many = "".join(f"<rdf:li>{number}</rdf:li>" for number in range(5_000))
    creators = credits_of(
        saved(PIXELS, "WEBP", xmp=xmp(f"<dc:creator><rdf:Seq>{many}</rdf:Seq></dc:creator>"))
    ).creators
    assert creators == tuple(map(str, range(10)))


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_rendition_keeps_credits_and_nothing_else(format: str) -> None:
    block = Image.Exif()
    block[0x8825] = {1: "N", 2: (38.0, 42.0, 0.0)}
    block[0xA431] = "SERIAL-4711"
    photo = decode(saved(PIXELS, "JPEG", xmp=xmp(FULL), exif=block), Limits())
    data = encode(photo.rgb, None, format, credits=photo.credits).data
    assert decode(data, Limits()).credits == EXPECTED
    assert not Image.open(io.BytesIO(data)).getexif()
    assert b"4711" not in data


def test_text_cannot_leave_its_place_in_the_packet() -> None:
    nasty = Credits(("</rdf:li><x/>",), '"]]>&amp;<', "<!--")
    packet = packet_of(encode(PIXELS, None, "jpeg", credits=nasty).data)
    texts = [element.text for element in ElementTree.fromstring(packet).iter() if element.text]
    assert texts[1:] == ["</rdf:li><x/>", '"]]>&amp;<', "<!--"]


def test_rendition_without_credits_says_nothing_of_them() -> None:
    assert b"dc:" not in packet_of(encode(PIXELS, None, "jpeg").data)
