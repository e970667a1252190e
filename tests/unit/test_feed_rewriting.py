"""The way back: a feed with new addresses of its pictures, and every other byte as it was."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Literal, get_args
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.manifest import open_manifest
from producer.manifest.formats.csvrecords import FieldParser
from producer.manifest.rewrite.cells import Link
from producer.manifest.rewrite.csv_spans import cell_spans
from producer.output.feed_rewriting import rewrite_feed
from shared.errors import ManifestError

HOST = "https://h.example/"
NEW = "https://new.example/"


def rewritten(path: Path, link: Link) -> bytes:
    out = io.BytesIO()
    rewrite_feed(path, None, link, out)
    return out.getvalue()


def nothing(_line: int, _address: str) -> None:
    """Replace nothing."""


def moved(_line: int, address: str) -> str | None:
    """Replace the pictures of one host."""
    return address.replace(HOST, NEW) if address.startswith(HOST) and "stays" not in address else None


CSV = (
    "Handle,Title,Variant SKU,Image Src,Image Alt Text,Variant Image\r\n"
    f'mug,"Mug, ""blue""\r\nnew",M1,{HOST}a.jpg,=1+1,"{HOST}b.jpg"\r\n'
    f"\r\nmug,,,{HOST}b.jpg,'=x,{HOST}stays.jpg\r\nlamp,Théière,L,,see {HOST}a.jpg,"
)
WOO = f'sku;images;note\nA;"{HOST}a.jpg, {HOST}a,b.jpg";x\nB;{HOST}c.jpg ;"a ""quote"""\n'
LINES = (
    f'{{"sku": "A", "image":"{HOST}a.jpg", "link": "{HOST}a.jpg", "n": 1.50}}\n\n{{"sku": "B", "image\n'
    f'{{"images": [{{"src": "{HOST.replace("/", chr(92) + "/")}é.jpg", "alt": "{HOST}a.jpg x"}}]}}'
)
DOCUMENT = f'{{\n\t"products": [ {{"id":1,"images":[{{"src":"{HOST}a.jpg"}}], "url": "{HOST}a.jpg"}} ]\n}}\n'
XML = (
    f"\n<?xml version='1.0'?>\r\n<rss xmlns:g='x'><!-- <image>{HOST}a.jpg</image> --><item><g:id>1</g:id>\r\n"
    f"<link>{HOST}a.jpg</link><g:image_link> {HOST}r?a=1&amp;b=2 </g:image_link><t>Salt & pepper &nbsp;</t>"
    f"<g:additional_image_link><![CDATA[{HOST}b.jpg,{HOST}stays.jpg]]></g:additional_image_link></item>"
    f"<item><id>2</id><imgs><main url='{HOST}c.jpg'/></imgs><a href='{HOST}a.jpg'/></item></rss>\n"
)
FEEDS = {"shopify.csv": CSV, "woo.csv": WOO, "m.jsonl": LINES, "m.json": DOCUMENT, "feed.xml": XML}


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_feed_comes_back_byte_for_byte_when_nothing_is_styled(tmp_path: Path, name: str, encoding: str) -> None:
    data = FEEDS[name].encode(encoding)
    (tmp_path / name).write_bytes(data)
    assert rewritten(tmp_path / name, nothing) == data


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (
            "shopify.csv",
            [f",{HOST}a.jpg,=1+1,", f'"{HOST}b.jpg"\r', f",{HOST}b.jpg,'=x"],
            [f",{NEW}a.jpg,=1+1,", f'"{NEW}b.jpg"\r', f",{NEW}b.jpg,'=x"],
        ),
        (
            "woo.csv",
            [f'"{HOST}a.jpg, {HOST}a,b.jpg"', f"{HOST}c.jpg ;"],
            [f'"{NEW}a.jpg, {NEW}a,b.jpg"', f"{NEW}c.jpg ;"],
        ),
        (
            "m.jsonl",
            [f'"image":"{HOST}a.jpg"', f'"{HOST.replace("/", chr(92) + "/")}é.jpg"'],
            [f'"image":"{NEW}a.jpg"', f'"{NEW.replace("/", chr(92) + "/")}é.jpg"'],
        ),
        ("m.json", [f'"src":"{HOST}a.jpg"'], [f'"src":"{NEW}a.jpg"']),
        (
            "feed.xml",
            [f" {HOST}r?a=1&amp;b=2 ", f"[{HOST}b.jpg,", f"main url='{HOST}c.jpg'"],
            [f" {NEW}r?a=1&amp;b=2 ", f"[{NEW}b.jpg,", f"main url='{NEW}c.jpg'"],
        ),
    ],
)
def test_only_the_addresses_of_pictures_are_new(tmp_path: Path, name: str, old: list[str], new: list[str]) -> None:
    expected = FEEDS[name]
    for before, after in zip(old, new, strict=True):
        assert expected.count(before) == 1
        expected = expected.replace(before, after)
    (tmp_path / name).write_bytes(FEEDS[name].encode())
    assert rewritten(tmp_path / name, moved).decode() == expected


def test_rows_over_the_limit_and_damaged_ones_come_back_as_they_were(tmp_path: Path) -> None:
    long = "x" * 1_300_000
    rows = [f'A,"{long}",{HOST}a.jpg', f'B,"open,{HOST}b.jpg', f"C,c,{HOST}c.jpg", f"D,{long},{HOST}d.jpg"]
    data = "\n".join(["sku,text,image", *rows]).encode() + b"\nE,\xff,x.jpg\n"
    (tmp_path / "m.csv").write_bytes(data)
    assert rewritten(tmp_path / "m.csv", nothing) == data
    assert rewritten(tmp_path / "m.csv", moved) == data.replace(f"c,{HOST}".encode(), f"c,{NEW}".encode())


def test_feed_whose_bytes_cannot_be_written_again_is_refused(tmp_path: Path) -> None:
    data = f"sku,image\nA,{HOST}a.jpg\n".encode("utf-16") + b"\0"
    (tmp_path / "m.csv").write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        rewritten(tmp_path / "m.csv", nothing)
    assert caught.value.code == "feed_not_reversible"


Quoting = Literal[0, 1]
"""``csv.QUOTE_MINIMAL`` and ``csv.QUOTE_ALL``."""

CELLS = st.text('ab,;|" \né=', max_size=8)
PICTURES = st.lists(st.sampled_from([f"{HOST}{name}.jpg" for name in ("a", "b,c", "stays")]), max_size=3, unique=True)
TABLES = st.lists(st.tuples(CELLS, PICTURES, CELLS), min_size=1, max_size=6)


@given(
    TABLES,
    st.sampled_from(",;|\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(get_args(Quoting)),
)
def test_csv_is_read_back_as_it_was_but_for_its_addresses(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, list[str], str]],
    delimiter: str,
    end: str,
    how: Quoting,
) -> None:
    target = io.StringIO()
    writer = csv.writer(target, delimiter=delimiter, lineterminator=end, quoting=how)
    table = [["sku", "images", "text"], ["X", f"{HOST}x.jpg", ""]]
    table += [[sku, ", ".join(pictures), text] for sku, pictures, text in rows]
    writer.writerows(table)
    path = tmp_path_factory.mktemp("csv") / "m.csv"
    path.write_bytes(target.getvalue().encode())
    assert rewritten(path, nothing) == path.read_bytes()
    again = rewritten(path, moved).decode()
    expected = [[sku, images.replace(HOST, NEW).replace(f"{NEW}stays", f"{HOST}stays"), t] for sku, images, t in table]
    assert list(csv.reader(io.StringIO(again, newline=""), delimiter=delimiter)) == expected


TEXTS = st.text("ab<>&'\"]é \n", max_size=8)


@given(st.lists(st.tuples(TEXTS, PICTURES), min_size=1, max_size=5))
def test_json_and_xml_are_read_back_as_they_were_but_for_their_addresses(
    tmp_path_factory: pytest.TempPathFactory, products: list[tuple[str, list[str]]]
) -> None:
    folder = tmp_path_factory.mktemp("feeds")
    known = [("x", [f"{HOST}x.jpg"]), *products]
    objects = [{"sku": f"S{n}", "text": text, "images": pictures} for n, (text, pictures) in enumerate(known)]
    (folder / "m.json").write_text(json.dumps({"products": objects}, indent=1))
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, objects)))
    items = "".join(
        f'<item id="S{n}"><text>{escape(text)}</text>'
        + "".join(f"<image>{one}</image>" for one in pictures)
        + "</item>"
        for n, (text, pictures) in enumerate(known)
    )
    (folder / "m.xml").write_text(f"<r>{items}</r>")
    for path in folder.iterdir():
        assert rewritten(path, nothing) == path.read_bytes()
        before = [(row.sku, row.columns.get("text"), row.image) for row in open_manifest([str(path)]).rows()]
        path.write_bytes(rewritten(path, moved))
        after = [(row.sku, row.columns.get("text"), row.image) for row in open_manifest([str(path)]).rows()]
        assert after == [(sku, text, moved(0, image) or image) for sku, text, image in before]


@given(st.text('a,"\n', max_size=30))
def test_spans_of_cells_agree_with_the_parser(text: str) -> None:
    parser = FieldParser(",")
    if parser.feed(text):
        spans = cell_spans(text, ",")
        assert len(spans) == len(parser.fields)
        assert text[spans[-1][1] :].strip("\r\n") == ""
