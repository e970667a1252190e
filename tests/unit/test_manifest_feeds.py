"""JSON documents and XML feeds: read as streams, and refused where they are not whole."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.manifest import ManifestRow, open_manifest
from shared.errors import ManifestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("red.jpg", "blue.jpg", "green.jpg"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(folder: Path, content: str | bytes, name: str) -> list[ManifestRow]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_manifest([str(folder / name)]).rows())


def refusal(folder: Path, content: str | bytes, name: str) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        read(folder, content, name)
    assert name in str(caught.value)
    return caught.value


def taken(rows: Iterator[ManifestRow]) -> tuple[list[str], str]:
    """Return the skus of the rows before a feed breaks off, and where it does."""
    skus: list[str] = []
    with pytest.raises(ManifestError) as caught:
        skus.extend(row.sku for row in rows)
    return skus, str(caught.value)


ROWS = '{"sku": "A", "image": "red.jpg"},\n{"sku": 2, "image": "blue.jpg", "tags": ["x"]}'


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (f"[{ROWS}]", [1, 2]),
        (f"\ufeff\n[\n{ROWS}\n]\n", [3, 4]),
        (f'{{"products": [{ROWS}]}}', [1, 2]),
        (
            f'{{\n"at": -1.5e3, "tags": ["a", []], "none": {{}},\n"data": {{"shop": {{"products":\n[ {ROWS}]}}}}, "x"',
            [4, 5],
        ),
        ('{"products": [' + ROWS.replace("\n", "") + '], "count": 2}', [1, 1]),
        ("[" + ROWS.replace("\n", "") + "]", [1, 1]),
    ],
)
def test_rows_are_the_elements_of_the_first_list_of_objects(folder: Path, content: str, lines: list[int]) -> None:
    rows = read(folder, content, "m.json")
    assert [(row.sku, row.source, row.line) for row in rows] == [
        ("A", (folder / "red.jpg").as_uri(), lines[0]),
        ("2", (folder / "blue.jpg").as_uri(), lines[1]),
    ]
    assert rows[1].columns["tags"] == '["x"]'


def test_json_lines_are_told_from_documents(folder: Path) -> None:
    for content in ('{"image": "red.jpg", "tags": ["a"]}', '{"image": "red.jpg"}\n[{"image": "blue.jpg"}]'):
        assert read(folder, content, "m.json")[0].source.endswith("/red.jpg")


def test_bad_elements_are_bad_rows(folder: Path) -> None:
    rows = read(folder, '[{"image": "red.jpg"}, 7, {"image": 1, "image": 2}, {"image": "\\u0000"}, {}]', "m.json")
    codes = [row.error.code if row.error else None for row in rows]
    assert codes == [None, "bad_json", "bad_json", "undecodable_row", "missing_image"]


@pytest.mark.parametrize(
    "content",
    ["[]", '["a", "b"]', '{\n"image": "red.jpg"\n}', '{"a": {"b": [1]}}', '{"products": []}', "[1]"],
)
def test_document_without_a_list_of_objects_is_refused(folder: Path, content: str) -> None:
    assert refusal(folder, content, "m.json").code in ("not_json_document", "missing_column")


def test_document_that_breaks_off_keeps_its_rows_and_names_the_line(folder: Path) -> None:
    for end in ("", ',\n{"sku": "C", "im', "\n}", ",\n]", '\n{"sku": "C"}', ",\n" + "[" * 100_000):
        (folder / "m.json").write_text(f"[{ROWS}{end}")
        with pytest.raises(ManifestError) as caught:
            open_manifest([str(folder / "m.json")])
        assert "breaks off in line" in str(caught.value)
    many = ",\n".join(f'{{"sku": "{n}", "image": "red.jpg"}}' for n in range(150))
    (folder / "m.json").write_text(f"[{many},\n!")
    skus, where = taken(open_manifest([str(folder / "m.json")]).rows())
    assert len(skus) == 150
    assert "m.json breaks off in line 151" in where


def test_endless_json_is_read_or_refused_in_constant_memory(folder: Path) -> None:
    """On one line, as some exports are: many elements pass, one over a MiB does not."""
    with (folder / "m.json").open("w") as file:
        file.write("[")
        for number in range(40):
            file.write(f'{{"sku": "{number}", "image": "red.jpg", "html": "{"x" * 900_000}"}},')
        file.write('{"image": "' + "x" * (2 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ManifestError, match="longer than 1 MiB"):
            open_manifest([str(folder / "m.json")])
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


RSS = """<?xml version="1.0"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel>
<title>Shop</title><image><url>logo.png</url></image>
<item><g:id>A</g:id><title>Red &amp; &lt;round&gt;</title><g:image_link> red.jpg </g:image_link>
  <g:additional_image_link>blue.jpg</g:additional_image_link>
  <g:additional_image_link>green.jpg</g:additional_image_link><g:additional_image_link>red.jpg</g:additional_image_link>
  <g:shipping><g:id>no</g:id><g:country>DE</g:country></g:shipping></item>
<item><g:id>B</g:id><g:image_link><![CDATA[blue.jpg]]></g:image_link></item>
<item><g:id>C</g:id></item>
</channel></rss>"""


def test_rss_of_google_merchant_center_gives_a_row_per_image(folder: Path) -> None:
    rows = read(folder, RSS, "feed.xml")
    assert [(row.sku, row.source.rpartition("/")[2], row.line) for row in rows] == [
        ("A", "red.jpg", 4),
        ("A", "blue.jpg", 4),
        ("A", "green.jpg", 4),
        ("B", "blue.jpg", 8),
        ("C", "", 9),
    ]
    assert rows[0].columns["title"] == "Red & <round>"
    assert [row.error.code if row.error else None for row in rows] == [None] * 4 + ["missing_image"]
    assert len({row.output for row in rows}) == 5


@pytest.mark.parametrize(
    "content",
    [
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:g='x'><entry><g:id>A</g:id>"
        "<g:image_link>red.jpg</g:image_link></entry></feed>",
        "<products><product id='A'><images><image>red.jpg</image></images></product></products>",
        "<shop><offers><offer id='A'><picture>red.jpg</picture></offer></offers></shop>",
        "<?xml version='1.0' encoding='windows-1252'?><r><item><sku>A</sku><url>red.jpg</url><t>\u20ac</t></item></r>",
        "<?xml version='1.0' encoding='utf-16'?><r><item><g:id>A</g:id><g:image_link>red.jpg</g:image_link></item></r>",
    ],
)
def test_other_feeds_of_products_are_read(folder: Path, content: str) -> None:
    encoding = next((name for name in ("windows-1252", "utf-16") if name in content), "utf-8")
    (row,) = read(folder, content.encode(encoding), "feed.xml")
    assert (row.sku, row.error, row.source) == ("A", None, (folder / "red.jpg").as_uri())


LAUGHS = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><r><item><id>&b;</id></item></r>'
EXTERNAL = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><item><image>&x;</image></item></r>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (LAUGHS, "xml_doctype"),
        (EXTERNAL, "xml_doctype"),
        ('<!DOCTYPE r SYSTEM "http://169.254.169.254/x.dtd"><r/>', "no_images"),
        ("<?xml version='1.0' encoding='nonsense'?><r/>", "bad_xml"),
        ("<?xml version='1.0' encoding='utf-7'?><r/>", "bad_xml"),
        ("<r>" * 1000, "bad_xml"),
        ("<r><item><image>red.jpg</image></item>", "bad_xml"),
        ("<r " + "x" * (2 << 20), "bad_xml"),
        ("<r><!--" + "x" * (2 << 20), "bad_xml"),
        ("<r/>", "no_images"),
        ("", "bad_xml"),
        ("image\nred.jpg", "bad_xml"),
        ("<r><item><id>A</id></item></r>", "missing_column"),
    ],
)
def test_hostile_or_senseless_feed_is_refused(folder: Path, content: str, code: str) -> None:
    assert refusal(folder, content, "feed.xml").code == code


def test_a_feed_that_breaks_off_keeps_its_products_and_an_endless_one_fails_alone(folder: Path) -> None:
    items = [f"<item>\n<id>{n}</id><image>red.jpg</image></item>" for n in range(120)]
    items[110] = "<item><image>red.jpg</image><t>" + "x" * (3 << 20) + "</t></item>"
    (folder / "feed.xml").write_text("<r>" + "".join(items) + "<item></r>")
    rows = open_manifest([str(folder / "feed.xml")]).rows()
    found: list[ManifestRow] = []
    with pytest.raises(ManifestError, match=r"feed\.xml breaks off in line 120"):
        found.extend(rows)
    assert len(found) == 120
    assert [row.error.code for row in found if row.error] == ["row_too_long"]
