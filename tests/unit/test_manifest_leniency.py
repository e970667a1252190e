"""Files as the world writes them: encodings, delimiters, compression, XML that is not quite valid, damaged rows."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from producer.manifest import Manifest, open_manifest
from producer.manifest.findings import Findings
from producer.manifest.formats.xml_text import Repair
from shared.errors import ManifestError

HOST = "https://h.example/"
A, B, C = (f"{HOST}{name}.jpg" for name in "abc")
LONG = "x" * 1_300_000
OBJECTS = (
    f'{{"sku": "A", "image": "{A}"}}',
    f'{{"sku": "B", "text": "{LONG}", "image": "{B}"}}',
    f'{{"sku": "C", "image": "{C}"}}',
)


def opened(folder: Path, content: str | bytes, name: str = "feed.csv") -> Manifest:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return open_manifest([str(folder / name)])


def outcomes(manifest: Manifest) -> list[str]:
    """Return the sku of each row, with the picture of a good one and the code of a bad one."""
    return [
        f"{row.sku} {row.error.code}" if row.error else f"{row.sku} {row.source.removeprefix(HOST)[:-4]}"
        for row in manifest.rows()
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_delimiter_and_unicode_encoding_are_detected(tmp_path: Path, encoding: str, delimiter: str) -> None:
    content = f"SKU,Name,Image URL\n001,Théière,{A}\n".replace(",", delimiter)
    assert outcomes(opened(tmp_path, content.encode(encoding), "datafeed.dat")) == ["001 a"]


@pytest.mark.parametrize(
    ("sku", "encoding", "told"),
    [
        ("Красная кружка", "cp1251", "Windows-1251"),
        ("红色的陶瓷杯子", "gbk", "GBK"),
        ("赤いマグカップ", "cp932", "Shift_JIS"),
        ("Théière à fleurs", "cp1252", "Windows-1252"),
    ],
)
def test_older_encoding_is_detected_and_told(tmp_path: Path, sku: str, encoding: str, told: str) -> None:
    manifest = opened(tmp_path, f"sku;image\n{sku};{A}\n".encode(encoding))
    assert outcomes(manifest) == [f"{sku} a"]
    assert told in manifest.notes[0]


@pytest.mark.parametrize("encoding", ["windows-1251", "cp-1251", "gbk", "Shift_JIS", "utf8", "ISO-8859-15"])
def test_declared_encoding_of_xml_is_read(tmp_path: Path, encoding: str) -> None:
    sku = {"gbk": "红", "Shift_JIS": "カップ", "utf8": "Théière", "ISO-8859-15": "é€"}.get(encoding, "Кружка")
    content = f"<?xml version='1.0' encoding='{encoding}'?><r><item><id>{sku}</id><image>{A}</image></item></r>"
    data = content.encode(encoding.replace("cp-", "cp"))
    assert outcomes(opened(tmp_path, data, "feed.xml")) == [f"{sku} a"]


def test_gzip_is_unpacked_whatever_the_file_is_called(tmp_path: Path) -> None:
    content = gzip.compress(f"sku,image\nX,{A}\n".encode())
    for name in ("feed.csv.gz", "feed.csv", "feed"):
        assert outcomes(opened(tmp_path, content, name)) == ["X a"]


def test_damaged_or_exploding_gzip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(f"sku,image\nX,{A}\n".encode() * 100)
    with pytest.raises(ManifestError, match="damaged"):
        list(opened(tmp_path, whole[:-20], "feed.csv.gz").rows())
    monkeypatch.setattr("producer.manifest.gzipped._ALWAYS_BYTES", 1000)
    monkeypatch.setattr("producer.manifest.gzipped._RATIO", 1)
    with pytest.raises(ManifestError, match="larger than a feed can be"):
        opened(tmp_path, whole, "feed.csv.gz")


def test_web_page_in_place_of_a_feed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="web page"):
        opened(tmp_path, "<!DOCTYPE html><html><body>Log in</body></html>", "feed.xml")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"<r><item><id>1</id><t>Salt & pepper&nbsp;&copy</t><image>{A}?b=1&c=2</image></item></r>", "bare &"),
        (f"<r><item><id>1</id><t>a\x0bb&#11;</t><image>{A}</image></item></r>", "XML does not allow"),
        (f"<!DOCTYPE r SYSTEM 'no.dtd'><r><item><id>1</id><image>{A}</image></item></r>", "not read"),
        (f"Warning: x in y.php\n\n<?xml version='1.0'?><r><item><id>1</id><image>{A}</image></item></r>", ""),
        (f"<r><item><id>1</id><image><![CDATA[{A}?b=1&c=2&nbsp;]]></image></item></r>", ""),
    ],
)
def test_xml_that_is_not_quite_valid_is_repaired(tmp_path: Path, content: str, told: str) -> None:
    manifest = opened(tmp_path, content, "feed.xml")
    (row,) = manifest.rows()
    assert (row.sku, row.error) == ("1", None)
    assert row.source.startswith(A)
    assert any(told in note for note in manifest.notes) if told else not manifest.notes


def test_repair_does_not_depend_on_where_pieces_end() -> None:
    text = "<r>&nbsp;&amp;& <!-- & --><i><![CDATA[&nbsp; & ]]></i>&copy;</r>" + " " * 50
    expected = text.replace("&nbsp;&amp;& ", "\u00a0&amp;&amp; ").replace("&copy;", "©")
    for end in range(len(text)):
        repair = Repair(Findings())
        assert repair.feed(text[:end]) + repair.feed(text[end:]) + repair.finish() == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", f'sku,d,image\nA,,{A}\nB,"{LONG}",{B}\nC,,{C}\n'),
        ("m.csv", f'sku,d,image\nA,,{A}\nB,"<p>""\n{LONG}\n<p>x</p>",{B}\nC,,{C}\n'),
        ("m.csv", f"sku,d,image\nA,,{A}\nB,{LONG},{B}\nC,,{C}\n"),
        ("m.csv", f'sku,d,image\nA,,{A}\nB,"{"x,y" * 400_000}",{B}\nC,,{C}\n'),
        (
            "m.jsonl",
            f'{{"sku":"A","image":"{A}"}}\n{{"sku":"B","d":"{LONG}","image":"{B}"}}\n{{"sku":"C","image":"{C}"}}',
        ),
        (
            "m.json",
            f'[{{"sku":"A","image":"{A}"}},{{"sku":"B","d":"{LONG}","image":"{B}"}},{{"sku":"C","image":"{C}"}}]',
        ),
        (
            "m.xml",
            f"<r><item><id>A</id><image>{A}</image></item><item><id>B</id><d>{LONG}</d><image>{B}</image></item>"
            f"<item><id>C</id><image>{C}</image></item></r>",
        ),
    ],
)
def test_row_over_the_limit_keeps_its_sku_and_fails_alone(tmp_path: Path, name: str, content: str) -> None:
    manifest = opened(tmp_path, content, name)
    assert outcomes(manifest) == ["A a", "B row_too_long", "C c"]
    assert [row.image for row in manifest.rows()][1] == B


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("m.csv", f'sku,t,image\nA,"open,{A}\nB,b,{B}\nC,"c",{C}\n', ["A unclosed_quote", "B b", "C c"]),
        ("m.csv", f'sku,t,image\nA,"open,{A}\nB,b,{B}\n', ["A unclosed_quote", "B b"]),
        ("m.csv", f'sku,t,image\nA,"open,{A}\n' + f"B,b,{B}\n" * 40_000, ["A unclosed_quote"] + ["B b"] * 40_000),
        ("m.jsonl", f'{{"sku":"A","image":"{A}","t":"open\n{{"sku":"B","image":"{B}"}}\n', ["A bad_json", "B b"]),
        (
            "m.xml",
            f"<r><item><id>A</id><image>{A}</image><t>open</item>\n<item><id>B</id><image>{B}</image></item></r>",
            ["A bad_xml_product", "B b"],
        ),
        (
            "m.xml",
            f"<r><item><id>B</id><image>{B}</image></item><item><id>A</id><t>1 < 2</t><image>{A}</image></item></r>",
            ["B b", "A bad_xml_product"],
        ),
        (
            "m.xml",
            f"<r><item><id>A</id><image>{HOST}\x01.jpg</image></item><item><id>B</id><image>{B}</image></item></r>",
            ["A undecodable_row", "B b"],
        ),
    ],
)
def test_damaged_row_keeps_its_sku_and_fails_alone(
    tmp_path: Path, name: str, content: str, expected: list[str]
) -> None:
    assert outcomes(opened(tmp_path, content, name)) == expected


@pytest.mark.parametrize(
    ("name", "row", "end"),
    [
        ("m.csv", "S{n},t,https://h.example/{n}.jpg\n", ""),
        ("m.jsonl", '{{"sku":"S{n}","image":"https://h.example/{n}.jpg"}}\n', ""),
        ("m.xml", "<item><id>S{n}</id><image>https://h.example/{n}.jpg</image></item>\n", "</r>"),
    ],
)
def test_many_rows_take_constant_memory(tmp_path: Path, name: str, row: str, end: str) -> None:
    with (tmp_path / name).open("w") as file:
        file.write({"m.csv": "sku,t,image\n", "m.xml": "<r>"}.get(name, ""))
        file.writelines(row.format(n=n) for n in range(5_000))
        file.write(end)
    tracemalloc.start()
    try:
        manifest = open_manifest([str(tmp_path / name)])
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        assert sum(row.error is None for row in manifest.rows()) == 5_000
        assert tracemalloc.get_traced_memory()[1] - before < 2 << 20
    finally:
        tracemalloc.stop()
