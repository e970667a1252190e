"""What the first bytes of a file say, read before any decoder sees them."""

from __future__ import annotations

import struct

from shared.errors import UnreadableImage

SUPPORTED = "JPEG, PNG, WebP, TIFF, GIF or AVIF"

_TIFF_ORDERS = {
    b"II\x2a\x00": "<",
    b"II\x2b\x00": "<",
    b"MM\x00\x2a": ">",
    b"MM\x00\x2b": ">",
    # Written wrongly by some programs and read by every decoder, Pillow included.
    b"II\x00\x2a": "<",
    b"MM\x2a\x00": ">",
}
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_STRIP_TAGS = (273, 279, 324, 325)
_MAX_TIFF_TAGS = 10_000
_MAX_TIFF_STRIPS = 250_000

_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")

# Formats that merchants do send, so that the refusal can name what it saw.
_REFUSED = (
    (b"BM", "a BMP image"),
    (b"8BPS", "a Photoshop document (PSD)"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"DDS ", "a DDS texture"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
)


def sniff(data: bytes) -> str:
    """Name the format by content, never by file name; raise UnreadableImage for any other than ours."""
    if not data:
        raise UnreadableImage("the file is empty: send the image again", code="empty_file")
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data[:4] in _TIFF_ORDERS:
        return "tiff"
    if set(_iso_brands(data)) & set(_AVIF_BRANDS):
        return "avif"
    if set(_iso_brands(data)) & set(_HEIC_BRANDS):
        return "heif"
    raise UnreadableImage(f"the file is {_describe(data)}: send {SUPPORTED}", code="unsupported_format")


def refuse_hostile_structure(data: bytes, source_format: str) -> None:
    """Refuse files whose structure would cost a decoder far more than their pixels do."""
    if source_format == "jpeg":
        _refuse_many_scans(data)
    elif source_format == "tiff":
        _refuse_odd_tiff(_tiff_entries(data))
    elif source_format == "webp":
        _refuse_short_riff(data)


def _iso_brands(data: bytes) -> list[bytes]:
    """Major and compatible brands of the file type box with which AVIF and HEIC begin."""
    if data[4:8] != b"ftyp":
        return []
    end = min(struct.unpack_from(">L", data)[0], len(data), 256)
    return [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]


def _describe(data: bytes) -> str:
    for start, name in _REFUSED:
        if data.startswith(start):
            return f"{name}, which is not supported"
    text = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "an SVG drawing, which is not supported"
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page and no image"
    return "of no supported image format"


def _refuse_many_scans(data: bytes) -> None:
    # Every scan of a progressive JPEG passes over all pixels, and an empty one takes ten bytes: a
    # small file can cost hours. Real ones have about ten. Inside compressed data 0xFF is always
    # followed by 0, so the marker cannot occur by chance but in metadata: hence the share by size.
    if data.count(b"\xff\xda") > 100 + len(data) // 32_768:
        raise UnreadableImage("the JPEG has far more scans than any camera or program writes: export it again")


def _refuse_odd_tiff(entries: list[tuple[int, int, int]]) -> None:
    for tag, count, value in entries:
        # Pillow makes a Python object of every strip and tile before anyone sees the image's size.
        if tag in _TIFF_STRIP_TAGS and count > _MAX_TIFF_STRIPS:
            raise UnreadableImage(f"the TIFF is cut into {count} strips or tiles: export it again")
        # Whole and sound files, as renderers write them: to call them damaged would mislead.
        if tag == _TIFF_BITS_PER_SAMPLE and (value > 32 or (value > 16 and count > 1)):
            raise UnreadableImage(
                f"the TIFF has {value} bits per channel, more than can be read: save it with 8 or 16",
                code="unsupported_format",
            )


def _refuse_short_riff(data: bytes) -> None:
    # The decoder refuses it too, but cannot say why.
    if len(data) < 8 + struct.unpack_from("<L", data, 4)[0]:
        raise UnreadableImage(
            "the image breaks off before its end: upload the whole file again", code="truncated_image"
        )


def _tiff_entries(data: bytes) -> list[tuple[int, int, int]]:
    """Tag, number of values and the first of them, taken for a short, of each entry in the first directory.

    Fewer if the file breaks off.
    """
    order = _TIFF_ORDERS[data[:4]]
    big = 0x2B in data[2:4]
    offset_at, offset_type, number_type = (8, "Q", "Q") if big else (4, "L", "H")
    entry = struct.Struct(order + ("HHQ8x" if big else "HHL4x"))
    room = 8 if big else 4
    found = []
    try:
        (start,) = struct.unpack_from(order + offset_type, data, offset_at)
        (number,) = struct.unpack_from(order + number_type, data, start)
        if number > _MAX_TIFF_TAGS:
            raise UnreadableImage(f"the TIFF has {number} tags, far too many: export it again")
        first = start + struct.calcsize(order + number_type)
        for at in range(first, min(first + number * entry.size, len(data) - entry.size + 1), entry.size):
            tag, _, count = entry.unpack_from(data, at)
            value_at = at + entry.size - room
            if count * 2 > room:
                (value_at,) = struct.unpack_from(order + offset_type, data, value_at)
            found.append((tag, count, _short(data, order, value_at)))
    except (struct.error, OverflowError):
        pass
    return found


def _short(data: bytes, order: str, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little" if order == "<" else "big")
