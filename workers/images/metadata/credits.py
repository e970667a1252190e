"""Who made a photo and whose it is, which a rendition goes on saying."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image, TiffImagePlugin

from workers.images.metadata.exif import Exif
from workers.images.metadata.iptc import read_fields
from workers.images.metadata.xmp import DUBLIN_CORE, PHOTOSHOP, read_properties

_CREATOR, _RIGHTS, _CREDIT = f"{DUBLIN_CORE}creator", f"{DUBLIN_CORE}rights", f"{PHOTOSHOP}Credit"
_IPTC_RECORD, _BY_LINE, _IPTC_CREDIT, _COPYRIGHT_NOTICE = 2, 80, 110, 116
_PHOTOSHOP_IPTC, _TIFF_IPTC = 0x0404, 33_723
_MAX_CREATORS = 10
_MAX_CHARACTERS = 500


@dataclass(frozen=True)
class Credits:
    """Creators, copyright notice and credit line of a photo, clean and of bounded length; empty where not given."""

    creators: tuple[str, ...] = ()
    rights: str = ""
    credit: str = ""


def read_credits(image: Image.Image, exif: Exif) -> Credits:
    """Read them from XMP, else IPTC, else EXIF, else the texts of a PNG: the newest way of writing them first."""
    xmp = read_properties(_bytes(image.info.get("xmp")), (_CREATOR, _RIGHTS, _CREDIT))
    iptc = read_fields(_iptc_block(image), _IPTC_RECORD, (_BY_LINE, _IPTC_CREDIT, _COPYRIGHT_NOTICE))
    creators = (xmp.get(_CREATOR), iptc.get(_BY_LINE), [exif.artist], [_png_text(image, "Author")])
    rights = (
        xmp.get(_RIGHTS, [])[:1],
        iptc.get(_COPYRIGHT_NOTICE),
        ["; ".join(filter(None, map(clean, exif.copyright.split("\0"))))],
        [_png_text(image, "Copyright")],
    )
    credit = (xmp.get(_CREDIT), iptc.get(_IPTC_CREDIT))
    return Credits(
        tuple(_first_given(creators)[:_MAX_CREATORS]),
        "; ".join(_first_given(rights))[:_MAX_CHARACTERS],
        "; ".join(_first_given(credit))[:_MAX_CHARACTERS],
    )


def clean(text: str) -> str:
    """Return a text in one line, without characters that control, or that XML cannot hold, and not too long."""
    printable = (
        character if unicodedata.category(character)[0] != "C" else " " if character.isspace() else ""
        for character in text[: 4 * _MAX_CHARACTERS]
    )
    return " ".join("".join(printable).split())[:_MAX_CHARACTERS].rstrip()


def _first_given(sources: Iterable[list[str] | None]) -> list[str]:
    """Return the clean texts of the first source that has any."""
    for source in sources:
        texts = [text for text in map(clean, (source or [])[:_MAX_CREATORS]) if text]
        if texts:
            return texts
    return []


def _iptc_block(image: Image.Image) -> bytes:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _bytes(image.tag_v2.get(_TIFF_IPTC))
    resources = image.info.get("photoshop")
    return _bytes(resources.get(_PHOTOSHOP_IPTC)) if isinstance(resources, dict) else b""


def _png_text(image: Image.Image, keyword: str) -> str:
    text = image.info.get(keyword)
    return text if isinstance(text, str) else ""


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
