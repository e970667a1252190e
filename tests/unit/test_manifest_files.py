"""CSV and JSON Lines manifests."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.manifest import Manifest, ManifestRow, open_manifest
from producer.manifest.formats.csvrecords import csv_records
from producer.manifest.formats.textlines import Line
from shared.errors import ManifestError
from shared.strength import Strength


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("red.jpg", "blue.jpg", "café.jpg"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def opened(folder: Path, content: str | bytes, name: str = "m.csv", *, allow_local: bool = True) -> Manifest:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return open_manifest([str(folder / name)], allow_local=allow_local)


def codes(rows: list[ManifestRow]) -> list[str | None]:
    return [row.error.code if row.error else None for row in rows]


def read(folder: Path, content: str | bytes, name: str = "m.csv") -> list[ManifestRow]:
    return list(opened(folder, content, name).rows())


def test_csv_row_carries_all_its_columns(folder: Path) -> None:
    manifest = opened(folder, "SKU,Image Link,style,strength,price\r\nA1,red.jpg,udnie,0.5,9\r\n")
    (row,) = manifest.rows()
    assert manifest.columns == ("SKU", "Image Link", "style", "strength", "price")
    assert (row.line, row.sku, row.output, row.style, row.strength) == (2, "A1", "red", "udnie", Strength(0.5))
    assert row.source == (folder / "red.jpg").as_uri()
    assert row.columns == {
        "SKU": "A1",
        "Image Link": "red.jpg",
        "style": "udnie",
        "strength": "0.5",
        "price": "9",
    }


@pytest.mark.parametrize("name", ["image", "image_url", "image link", "IMAGE-LINK", "Image Src", "url", " Path "])
def test_image_column_goes_by_several_names(folder: Path, name: str) -> None:
    assert codes(read(folder, f"{name},x\nred.jpg,1\n")) == [None]


def test_first_filled_sku_column_counts(folder: Path) -> None:
    rows = read(folder, "Id,SKU,image\nshirt,,red.jpg\nshirt,S-1,red.jpg\n,,red.jpg\n")
    assert [row.sku for row in rows] == ["shirt", "S-1", "red"]


def test_missing_image_column_names_the_columns_found(folder: Path) -> None:
    for content, name in (("sku,pic\n1,red.jpg\n", "m.csv"), ('{"sku":1,"pic":"red.jpg"}', "m.jsonl")):
        with pytest.raises(ManifestError, match=r"no image column; its columns are: sku, pic") as caught:
            opened(folder, content, name)
        assert caught.value.code == "missing_column"


@pytest.mark.parametrize("content", ["", "\n\n", "image\n", "image,sku\n\n,\n \n"])
def test_csv_without_rows_is_refused(folder: Path, content: str) -> None:
    with pytest.raises(ManifestError, match="no images"):
        opened(folder, content)


def test_empty_jsonl_is_refused(folder: Path) -> None:
    with pytest.raises(ManifestError, match="no images"):
        opened(folder, "\n", "m.jsonl")


def test_header_with_too_many_columns_is_refused(folder: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        opened(folder, "image," + ",".join(map(str, range(512))) + "\nred.jpg\n")
    assert caught.value.code == "bad_header"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("A,,,", "missing_image"),
        (",,udnie,", "missing_image"),
        ("A,green.jpg,,", "image_not_found"),
        ("A,.,,", "image_not_found"),
        ("A,red.jpg,,strong", "bad_strength"),
        ("A,red.jpg,,1.5", "bad_strength"),
        ("A,red.jpg,,nan", "bad_strength"),
        ("A,red.jpg,udnie:x,", "bad_style"),
        ('A,red.jpg,"udnie,udnie",', "bad_style"),
        ("A,red.jpg,,,surplus", "too_many_columns"),
        ("A,re\0d.jpg,,", "undecodable_row"),
        ("A,ftp://x/y.jpg,,", "unsupported_source"),
        ("A,data:image/png;base64;AAAA,,", "bad_source"),
        ("A,s3://bucket,,", "bad_source"),
        ("A,https:///y.jpg,,", "bad_source"),
        ("A,s3://u:secret@bucket/y.jpg,,", "bad_source"),
        ("S" * 513 + ",red.jpg,,", "sku_too_long"),
        ("A" * (1 << 20) + ",red.jpg,,", "row_too_long"),
    ],
)
def test_bad_row_carries_its_code_and_stops_no_other(folder: Path, row: str, code: str) -> None:
    rows = read(folder, f"sku,image,style,strength\n{row}\nB,blue.jpg,,\n")
    assert codes(rows) == [code, None]
    assert (rows[0].line, rows[0].source) == (2, "")
    assert "secret" not in str(rows[0].error)
    assert len(rows[0].sku) <= 512


def test_bad_row_keeps_its_columns_for_the_merchant_to_mend(folder: Path) -> None:
    (row,) = read(folder, "sku,image,note\nA,green.jpg,hello\n")
    assert row.columns == {"sku": "A", "image": "green.jpg", "note": "hello"}
    assert "green.jpg" in str(row.error)


def test_bad_row_still_knows_which_file_it_names(folder: Path) -> None:
    """Results and errors name it by its whole path, wherever they are written."""
    rows = read(folder, "sku,Image Src,strength\nA,red.jpg,9\nB,red.jpg,1,surplus\nC,ftp://x/y.jpg,\nD,,\n")
    red = (folder / "red.jpg").as_uri()
    assert [row.image for row in rows] == [red, red, "ftp://x/y.jpg", ""]
    assert all(row.source == "" for row in rows)


def test_remote_sources_are_taken_as_they_are(folder: Path) -> None:
    rows = read(folder, "image\ns3://shop/a b/x#1.jpg\nhttps://x.example/i/red%20shoe.jpg?v=2\nfile:///nowhere.jpg\n")
    assert [row.source for row in rows] == [
        "s3://shop/a b/x#1.jpg",
        "https://x.example/i/red%20shoe.jpg?v=2",
        "",
    ]
    assert [row.output for row in rows] == ["x#1", "red shoe", "nowhere"]


def test_fewer_columns_and_needless_delimiters_are_fine(folder: Path) -> None:
    rows = read(folder, "image,sku,style\nred.jpg\nblue.jpg,B,,,,\n")
    assert codes(rows) == [None, None]
    assert rows[0].columns == {"image": "red.jpg", "sku": "", "style": ""}


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("image;note\ncafé.jpg;x,y\n", "utf-8"),
        ("image\tnote\ncafé.jpg\tx,y\n", "utf-8-sig"),
        ('image,note\ncafé.jpg,"x,y"\n', "utf-16"),
        ('image,note\r\ncafé.jpg,"x,y"\r\n', "cp1252"),
        ('image,note\rcafé.jpg,"x,y"\r', "utf-8"),
        ('sep=;\nimage;note\ncafé.jpg;"x,y"\n', "utf-8"),
        ('sep=|\n"image"|note\ncafé.jpg|x,y', "utf-8"),
    ],
)
def test_encodings_and_delimiters_are_found_out(folder: Path, content: str, encoding: str) -> None:
    manifest = opened(folder, content.encode(encoding))
    (row,) = manifest.rows()
    assert row.error is None
    assert row.columns == {"image": "café.jpg", "note": "x,y"}
    assert bool(manifest.notes) == (encoding == "cp1252")


def test_bytes_that_are_not_utf8_spoil_only_their_row(folder: Path) -> None:
    rows = read(folder, "image\ncafé.jpg\n".encode() + b"caf\xe9.jpg\nred.jpg\n")
    assert codes(rows) == [None, "undecodable_row", None]
    assert rows[1].columns == {"image": "caf\N{REPLACEMENT CHARACTER}.jpg"}


def test_quoted_fields_keep_newlines_and_rows_their_lines(folder: Path) -> None:
    rows = read(folder, 'image,note\n\nred.jpg,"one\r\n""two"""\n\nblue.jpg,5" wide\n')
    assert [row.line for row in rows] == [3, 6]
    assert [row.columns["note"] for row in rows] == ['one\r\n"two"', '5" wide']


def test_file_that_breaks_off_names_its_line_after_the_good_rows(folder: Path) -> None:
    rows = opened(folder, 'image,note\nred.jpg,x\nblue.jpg,"cut o').rows()
    assert next(rows).error is None
    with pytest.raises(ManifestError, match=r"m\.csv, line 3"):
        next(rows)


@pytest.mark.parametrize("start", ["image\nred.jpg\n", ""])
def test_endless_line_is_refused_in_constant_memory(folder: Path, start: str) -> None:
    with (folder / "m.csv").open("w") as file:
        file.write(start)
        for _ in range(32):
            file.write("x" * (1 << 20))
    tracemalloc.start()
    try:
        if start:
            assert codes(list(open_manifest([str(folder / "m.csv")]).rows())) == [None, "row_too_long"]
        else:
            with pytest.raises(ManifestError):
                open_manifest([str(folder / "m.csv")])
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_jsonl_rows_are_read_and_bad_lines_are_bad_rows(folder: Path) -> None:
    lines = [
        '{"sku": 7, "image": "red.jpg", "strength": 0.25, "tags": ["a"], "gone": null}',
        '{"image": "blue.jpg"',
        "[1]",
        "",
        '{"image": "red.jpg", "image": "blue.jpg"}',
        '{"image": "red.jpg", "sku": "\\u0000"}',
        "[" * 100_000,
        '{"pic": "red.jpg"}',
        '{"url": "blue.jpg", "sku": ' + "9" * 400 + "}",
    ]
    manifest = opened(folder, "\n".join(lines), "m.jsonl")
    rows = list(manifest.rows())
    bad = "bad_json"
    assert codes(rows) == [None, bad, bad, bad, "undecodable_row", bad, "missing_image", None]
    assert [row.line for row in rows] == [1, 2, 3, 5, 6, 7, 8, 9]
    assert (rows[0].sku, rows[0].strength, rows[0].columns["tags"]) == ("7", Strength(0.25), '["a"]')
    assert rows[0].columns["gone"] == ""
    assert manifest.columns == ("sku", "image", "strength", "tags", "gone", "pic", "url")


def test_local_merchant_may_leave_the_folder_and_the_service_reads_no_path(folder: Path) -> None:
    sub = folder / "sub"
    sub.mkdir()
    content = (
        f"image\n../red.jpg\n{folder}/blue.jpg\n..\\red.jpg\nin.jpg\nfile:///etc/passwd\nhttps://x.example/a.jpg\n"
    )
    local = list(opened(sub, content).rows())
    assert [row.source for row in local[:3]] == [(folder / f"{n}.jpg").as_uri() for n in ("red", "blue", "red")]
    assert [row.output for row in local] == ["red", "blue", "red-2", "in", "passwd", "a"]
    served = list(opened(sub, content, allow_local=False).rows())
    assert codes(served) == ["local_path_refused"] * 5 + [None]
    assert [row.output for row in served] == [row.output for row in local]


def test_resumed_read_numbers_and_names_as_a_full_one(folder: Path) -> None:
    content = "image\nred.jpg\nRED.png\ngone/red.jpg\n\nred.jpg\nred-2.jpg\nred.jpg\n"
    manifest = opened(folder, content)
    full = [(row.line, row.output) for row in manifest.rows()]
    assert [name for _, name in full] == ["red", "RED-2", "gone/red", "red-3", "red-2-2", "red-4"]
    for skip in range(8):
        assert [(row.line, row.output) for row in manifest.rows(skip)] == full[skip:]


def test_fingerprint_follows_the_content(folder: Path) -> None:
    first = opened(folder, "image\nred.jpg\n").fingerprint
    assert opened(folder, "image\nred.jpg\n").fingerprint == first
    assert opened(folder, "image\nblue.jpg\n").fingerprint != first


@given(st.lists(st.lists(st.text("ab,\" \n'é=", max_size=6), min_size=2, max_size=4), min_size=1, max_size=5))
def test_what_the_standard_library_writes_is_read_back(rows: list[list[str]]) -> None:
    written: list[str] = []

    class Target:
        def write(self, text: str) -> None:
            written.append(text)

    csv.writer(Target(), quoting=csv.QUOTE_ALL).writerows(rows)
    lines = (Line(number, text) for number, text in enumerate("".join(written).splitlines(keepends=True), 1))
    expected = [row for row in rows if any(field.strip() for field in row)]
    assert [record.fields for record in csv_records("m.csv", lines, ",")] == expected
