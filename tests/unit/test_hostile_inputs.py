"""Made-up damage: whatever a file holds, only errors with a code come out."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from producer.manifest import open_manifest
from producer.manifest.formats.archive import member_of
from producer.source_intake import Intake
from shared.errors import ImageError, InvalidInput, SourceRefused
from shared.store import open_store
from tests.picture_files import gamma_chunk, png_chunk, saved, with_chunks
from workers.images.decode import Limits, decode

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

CODES = ("unreadable_image", "truncated_image", "unsupported_format", "image_too_large", "empty_file")


CREDITED = (
    b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:d="http://purl.org/dc/elements/1.1/">'
    b'<r:Description d:rights="(c) Ana"/></r:RDF>'
)


def whole_files() -> list[bytes]:
    """A small valid file of each format, plain and odd."""
    photo = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [saved(photo, format) for format in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF")]
    files += [saved(photo, format, exif=exif) for format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")]
    files += [saved(frames[0], f, save_all=True, append_images=frames[1:]) for f in ("GIF", "WEBP", "PNG", "MPO")]
    files += [saved(photo, "TIFF", compression=c) for c in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")]
    files += [saved(photo.convert(mode), "TIFF") for mode in ("1", "CMYK", "LAB", "RGBA", "I;16", "F")]
    files += [saved(photo, "JPEG", progressive=True), saved(photo.convert("CMYK"), "JPEG")]
    files += [with_chunks(saved(photo, "PNG"), png_chunk(b"cICP", b"\x09\x12\0\1"), gamma_chunk(50_000))]
    files += [saved(photo, format, xmp=CREDITED) for format in ("JPEG", "WEBP", "AVIF")]
    return [*files, saved(photo.quantize(4), "PNG", transparency=0), saved(photo.convert("LA"), "PNG")]


WHOLE = whole_files()


def packed(*members: tuple[str, bytes]) -> bytes:
    """A ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


@st.composite
def damaged_images(draw: st.DrawFn) -> bytes:
    """A whole file cut off, with bytes changed, or with numbers in it made extreme."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    # The structure stands at the beginning; TIFF has it at the end.
    places = st.one_of(st.integers(0, min(63, len(data) - 1)), st.integers(0, len(data) - 1))
    lies = [bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\xff\xff"]
    for at in draw(st.lists(places, max_size=4)):
        lie = draw(st.one_of(st.binary(min_size=1, max_size=2), st.sampled_from(lies)))
        data[at : at + len(lie)] = lie
    return bytes(data[: draw(st.one_of(st.none(), st.integers(0, len(data))))])


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some of the damage
@QUICK
@given(damaged_images())
def test_damaged_image_gives_a_photo_or_a_coded_refusal(data: bytes) -> None:
    refusal = photo = None
    try:
        photo = decode(data, Limits(max_pixels=100_000))
    except ImageError as error:
        refusal = error
    if photo is None:
        assert refusal is not None
        assert refusal.code in CODES
        assert str(refusal)
        return
    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.shape == (photo.height, photo.width, 3)
    assert photo.width * photo.height <= 100_000
    assert photo.alpha is None or photo.alpha.shape == photo.rgb.shape[:2]


CELLS = st.one_of(
    st.sampled_from(
        ["image", "sku", "style", "strength", "red.jpg", "udnie", "0,5", "1e999", "../../x.jpg", "s3://b/k"]
    ),
    st.text(max_size=8),
)
SEPARATORS = st.sampled_from([",", ";", "\t", "\n", "\r\n", "\r", '"', "\0", "\ufeff", "{", "}", ":", "[", "\\", " "])
TABLES = st.lists(st.tuples(CELLS, SEPARATORS), max_size=20).map(lambda pieces: "".join(map("".join, pieces)))
ENCODED = st.tuples(TABLES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])).map(
    lambda pair: pair[0].encode(pair[1], errors="ignore")
)


FEEDS = [
    b'[{"sku": "A", "image": "red.jpg"}, {"image": "\\u00fc.jpg", "n": -1.5e3, "x": [[{}]]}]',
    b'{"data": {"at": null, "products": [{"sku": "A", "url": "https://x.example/a"}]}}',
    b'<?xml version="1.0"?><rss xmlns:g="x"><item id="1"><g:id>A</g:id><g:image_link>r.jpg</g:image_link></item></rss>',
    b"<r><product><images><image><![CDATA[a.jpg]]></image><image>b.jpg</image></images></product><!-- --></r>",
    packed(("red.jpg", b"red"), ("new/blue.jpg", bytes(200))),
    packed(("feed.csv", b"sku,image\nA,red.jpg\nB,../blue.jpg\n"), ("red.jpg", b"red")),
]


@st.composite
def damaged_feeds(draw: st.DrawFn) -> bytes:
    """A whole feed or archive with some bytes changed or taken out."""
    data = bytearray(draw(st.sampled_from(FEEDS)))
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(data)


@QUICK
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".xml", ".zip"])
@given(
    content=st.one_of(ENCODED, st.binary(max_size=60), ENCODED.map(lambda data: b"sku,image\n" + data), damaged_feeds())
)
def test_damaged_manifest_gives_storable_rows_or_a_coded_refusal(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"m{suffix}"
    file.write_bytes(content)
    refusal, rows = None, []
    try:
        rows = list(open_manifest([str(file)]).rows())
    except InvalidInput as error:
        refusal = error
    if refusal is not None:
        assert refusal.code != InvalidInput.code
        assert file.name in str(refusal)
    intake = Intake(open_store(f"file://{tmp_path / 'objects'}"), 1, 1000)
    for row in rows:
        if member_of(row.source):
            with suppress(SourceRefused):
                intake.take(row.source)
        for text in (row.sku, row.image, row.output, *row.columns, *row.columns.values()):
            assert "\0" not in text
            text.encode()  # no lone surrogates, which Postgres cannot store
        assert row.error is not None or row.source
