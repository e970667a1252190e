"""The way back with renditions beside the photos, as each platform reads several pictures."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from producer.manifest import open_manifest
from producer.manifest.rewrite.cells import Link
from producer.output.feed_rewriting import rewrite_feed
from shared.errors import ManifestError
from tests.unit.test_manifest_platforms import (
    CENEO,
    EXPORTS,
    GOOGLE_RSS,
    GOOGLE_TSV,
    HEUREKA,
    MAGENTO_1,
    MAGENTO_2,
    SHOPIFY,
    SHOPIFY_JSON,
    VENDURE,
    WOOCOMMERCE,
    WOOCOMMERCE_REST,
    YANDEX,
    A,
    B,
    C,
    D,
)


def new(_line: int, address: str) -> str | None:
    """Each picture has a rendition, except d."""
    return None if address == D else address.replace("h.example", "new.example")


def given_back(path: Path, content: str | bytes, link: Link = new, platform: str | None = None) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    out = io.BytesIO()
    rewrite_feed(path, platform, link, out, add=True)
    return out.getvalue().decode()


A2, B2, C2 = (one.replace("h.example", "new.example") for one in (A, B, C))

ADDED = {
    "shopify.csv": (
        SHOPIFY,
        "lamp,Lamp",
        f"mug,,,,,{A2},4,\nmug,,,,,{B2},5,\nmug,,,,,{C2},6,\nlamp,Lamp",
    ),
    "woocommerce.csv": (WOOCOMMERCE, f'"{A}, {B}"', f'"{A}, {B}, {A2}, {B2}"'),
    "magento2.csv": (MAGENTO_2, f'"{A},{B}"\n', f'"{A},{B},{A2},{B2}"\n'),
    "magento1.csv": (MAGENTO_1, f"{B}\nM2", f"{B}\n,,,,{A2}\n,,,,{B2}\nM2"),
    "vendure.csv": (VENDURE, f"{A}|{B},ram", f"{A}|{B}|{A2}|{B2}|{C2},ram"),
    "google.txt": (GOOGLE_TSV, f"{B}%2C{C}", f"{B}%2C{C}%2C{A2}%2C{B2}%2C{C2}"),
    "google.xml": (
        GOOGLE_RSS,
        f"{A}</g:image_link>",
        f"{A}</g:image_link><g:additional_image_link>{A2}</g:additional_image_link>",
    ),
    "yandex.yml": (YANDEX, f"{A}</picture>", f"{A}</picture><picture>{A2}</picture>"),
    "heureka.xml": (HEUREKA, f"{A}</IMGURL>", f"{A}</IMGURL><IMGURL_ALTERNATIVE>{A2}</IMGURL_ALTERNATIVE>"),
    "ceneo.xml": (CENEO, f'<main url="{A}"/>', f'<main url="{A}"/><i url="{A2}"/>'),
    "shopify.json": (SHOPIFY_JSON, f'"src": "{A}"}}', f'"src": "{A}"}}, {{"src": "{A2}"}}'),
    "rest.json": (WOOCOMMERCE_REST, f'"src": "{B}"}}', f'"src": "{B}"}}, {{"src": "{B2}"}}'),
    "list.jsonl": (
        f'{{"sku": "X", "images": ["{A}", "{D}"], "link": "{A}"}}',
        f'"{A}", "{D}"',
        f'"{A}", "{A2}", "{D}"',
    ),
    "nested.json": (
        f'[{{"sku": "X", "images": [{{"src": "{A}", "meta": {{}}, "alt": "x"}}]}}]',
        '"alt": "x"}',
        f'"alt": "x"}}, {{"src": "{A2}"}}',
    ),
    "numbered.csv": (f"sku,Image 1,Image 2,Image 3\nX,{A},,\n", f"X,{A},,", f"X,{A},{A2},"),
    "image.xml": (
        f"<r><p>\n <sku>1</sku>\n <image><url>{A}</url><alt>x</alt></image>\n</p><p><sku>2</sku></p></r>",
        "<alt>x</alt></image>",
        f"<alt>x</alt></image>\n <image><url>{A2}</url></image>",
    ),
}


@pytest.mark.parametrize("name", ADDED)
def test_renditions_stand_beside_the_photos_and_all_else_stays(tmp_path: Path, name: str) -> None:
    content, old, expected = ADDED[name]
    made = given_back(tmp_path / name, content)
    assert expected in made
    assert content.count(old) == 1
    photos = [(row.sku, row.source) for row in open_manifest([str(tmp_path / name)]).rows() if row.error is None]
    (tmp_path / name).write_text(made)
    after = [(row.sku, row.source) for row in open_manifest([str(tmp_path / name)]).rows() if row.error is None]
    assert set(photos) <= set(after)
    assert A2 in {source for _, source in after} or B2 in {source for _, source in after}


@pytest.mark.parametrize(("name", "content"), [(name, content) for name, content, *_ in EXPORTS])
def test_without_renditions_nothing_is_added(tmp_path: Path, name: str, content: str) -> None:
    assert given_back(tmp_path / name, content, lambda *_: None) == content


def test_rows_of_the_last_product_stand_behind_a_file_without_a_last_line_end(tmp_path: Path) -> None:
    feed = f"Handle,Variant SKU,Image Src,Image Position\r\nmug,M,{A},1"
    assert given_back(tmp_path / "m.csv", feed) == f"{feed}\r\nmug,,{A2},2"


def test_a_plain_list_gets_a_copy_of_the_row_with_the_other_picture(tmp_path: Path) -> None:
    feed = f"sku,image,position,title\r\nX,{A},3,Mug\r\nY,{D},,"
    assert given_back(tmp_path / "m.csv", feed) == feed.replace("Y,", f"X,{A2},,Mug\r\nY,")
    assert given_back(tmp_path / "n.csv", f"sku,image\nX,{A}") == f"sku,image\nX,{A}\nX,{A2}"
    line = f'{{"sku": "X", "image": "{A}", "n": 1.50}}'
    assert given_back(tmp_path / "m.jsonl", line) == f"{line}\n{line.replace(A, A2)}"


def test_a_feed_without_room_for_further_pictures_says_so(tmp_path: Path) -> None:
    feeds = {
        "m.json": f'[{{"sku": "X", "image": "{A}"}}]',  # no product that is only a picture
        "m.txt": f"id\timage_link\n1\t{A}\n",
        "m.xml": f'<r><product sku="X" image="{A}"/><product sku="Y" image="{B}"/></r>',
    }
    for name, feed in feeds.items():
        with pytest.raises(ManifestError) as caught:
            given_back(tmp_path / name, feed)
        assert caught.value.code == "no_place_for_pictures"


def test_a_variation_of_woocommerce_keeps_its_only_picture(tmp_path: Path) -> None:
    made = given_back(tmp_path / "m.csv", WOOCOMMERCE)
    assert f"102,variation,CUP-RED,Cup,visible,,{A},CUP,1" in made


def replaced(path: Path, platform: str | None = None) -> str:
    out = io.BytesIO()
    rewrite_feed(path, platform, new, out)
    return out.getvalue().decode()


def test_a_platform_that_was_named_replaces_in_json_and_xml_too(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(f'[{{"sku": "X", "small_image": "{A}", "note": "{A}"}}]')
    assert replaced(tmp_path / "m.json", "magento") == f'[{{"sku": "X", "small_image": "{A2}", "note": "{A}"}}]'
    (tmp_path / "m.xml").write_text(f"<r><item><sku>X</sku><small_image>{A}</small_image><note>{A}</note></item></r>")
    assert f"<small_image>{A2}</small_image><note>{A}</note>" in replaced(tmp_path / "m.xml", "magento")


def test_names_that_lead_to_pictures_only_in_want_of_better_ones_are_replaced_there(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(f'{{"sku": "X", "url": "{A}"}}\n')
    assert replaced(tmp_path / "m.jsonl") == f'{{"sku": "X", "url": "{A2}"}}\n'


def test_a_feed_in_an_archive_comes_back_in_the_archive_with_its_other_members(tmp_path: Path) -> None:
    path = tmp_path / "shop.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"of the shop"
        archive.writestr("pictures/x.jpg", b"\xff\xd8 a picture")
        archive.writestr("export/feed.csv", f"sku,image\nX,{A}\nY,../pictures/x.jpg\n", zipfile.ZIP_DEFLATED)
        archive.writestr("readme.md", "hello")
    out = io.BytesIO()
    assert rewrite_feed(path, None, new, out) == "csv"
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["pictures/x.jpg", "export/feed.csv", "readme.md"]
        assert archive.read("export/feed.csv").decode() == f"sku,image\nX,{A2}\nY,../pictures/x.jpg\n"
        assert archive.read("pictures/x.jpg") == b"\xff\xd8 a picture"
        assert archive.getinfo("export/feed.csv").compress_type == zipfile.ZIP_DEFLATED
        assert archive.comment == b"of the shop"
