"""Exports of shop systems and price comparison, in the layouts that their documentation publishes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from producer.manifest import Manifest, open_manifest
from producer.output.feed_rewriting import rewrite_feed
from shared.errors import UsageError

HOST = "https://h.example/"
A, B, C, D = (f"{HOST}{name}.jpg" for name in "abcd")


def opened(folder: Path, content: str, name: str, platform: str | None = None) -> Manifest:
    (folder / name).write_text(content)
    return open_manifest([str(folder / name)], platform=platform)


def pictures(manifest: Manifest) -> list[tuple[str, str]]:
    """Return sku and picture of the good rows."""
    rows = [row for row in manifest.rows() if row.error is None]
    return [(row.sku, row.source.removeprefix(HOST).removesuffix(".jpg")) for row in rows]


SHOPIFY = f"""Handle,Title,Type,Option1 Value,Variant SKU,Image Src,Image Position,Variant Image
mug,Mug,Mugs,Red,MUG-RED,{A},1,{B}
mug,,,Blue,MUG-BLUE,{B},2,{D}
mug,,,Green,MUG-GREEN,,,
mug,,,,,{C},3,
lamp,Lamp,Lamps,S,,{D},1,
"""
SHOPIFY_2024 = f"""Title,URL handle,Product category,Type,SKU,Product image URL,Image position,Variant image URL
Mug,mug,Home > Mugs,Mugs,MUG-RED,{A},1,{B}
,mug,,,MUG-BLUE,{B},2,{B}
,mug,,,,{C},3,
"""
WOOCOMMERCE = f"""\ufeffID,Type,SKU,Name,Visibility in catalog,Categories,Images,Parent,Position
101,variable,CUP,Cup,visible,"Kitchen > Cups, Gifts","{A}, {B}",,7
102,variation,CUP-RED,Cup,visible,,{A},CUP,1
103,variation,CUP-BLUE,Cup,visible,,,CUP,2
"""
MAGENTO_2 = f"""sku,store_view_code,attribute_set_code,categories,base_image,small_image,additional_images
M1,,Default,Default Category/Bags,{A},{A},"{A},{B}"
M1,de,Default,,,,
M2,,Default,,{C},{C},
"""
MAGENTO_1 = f"""sku,_attribute_set,_category,image,_media_image
M1,Default,Bags,{A},{A}
,,,,{B}
M2,Default,Bags,{C},{C}
"""
VENDURE = f"""name,slug,assets,optionGroups,sku,variantAssets
Laptop,laptop,{A}|{B},ram,L8,{C}
,,,,L16,
Tablet,tablet,{D},,T1,
"""
GOOGLE_TSV = f"id\timage_link\tadditional_image_link\tlifestyle_image_link\n1\t{A}\t{B}%2C{C}\t{D}\n"
GOOGLE_RSS = f"""


<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><image><url>{D}</url></image>
<item><g:id>1</g:id><g:product_type>Mugs</g:product_type><g:image_link>{A}</g:image_link>
<g:additional_image_link>{B},{C}</g:additional_image_link><g:lifestyle_image_link>{D}</g:lifestyle_image_link></item>
</channel></rss>"""
YANDEX = f"""<?xml version="1.0" encoding="utf8"?><!DOCTYPE yml_catalog SYSTEM "shops.dtd">
<yml_catalog><shop><offers><offer id="5501"><url>{HOST}p</url><currencyId>RUB</currencyId><picture>{A}</picture>
<picture>{B}</picture></offer></offers></shop></yml_catalog>"""
HEUREKA = f"""<SHOP><SHOPITEM><ITEM_ID>1</ITEM_ID><PRODUCTNAME>x</PRODUCTNAME><URL>{HOST}p</URL><IMGURL>{A}</IMGURL>
<IMGURL_ALTERNATIVE>{B}</IMGURL_ALTERNATIVE><IMGURL_ALTERNATIVE>{C}</IMGURL_ALTERNATIVE></SHOPITEM></SHOP>"""
CENEO = f"""<offers><group><o id="1" url="{HOST}p"><name>n</name><imgs><main url="{A}"/><i url="{B}"/></imgs></o>
<o id="2" url="{HOST}q"><imgs><main url="{C}"/></imgs></o></group></offers>"""
BY_SHAPE = f"""<shop><goods><ware><sku>1</sku><pictures><picture>{A}</picture><picture>{B}</picture></pictures></ware>
<ware><sku>2</sku><pictures><picture>{C}</picture></pictures></ware></goods></shop>"""
SHOPIFY_JSON = f"""{{"products": [{{"id": 8, "handle": "mug", "variants": [{{"sku": "MUG-RED"}}],
"images": [{{"position": 1, "src": "{A}"}}, {{"position": 2, "src": "{B}"}}]}}]}}"""
WOOCOMMERCE_REST = f"""[{{"id": 101, "sku": "CUP", "permalink": "{HOST}", "categories": [{{"id": 1, "name": "Cups"}}],
"images": [{{"id": 1, "src": "{A}"}}, {{"id": 2, "src": "{B}"}}]}}]"""
GRAPHQL = (
    f'{{"data": {{"products": {{"edges": [{{"node": {{"id": "1", "images": {{"nodes": [{{"url": "{A}"}}]}}}}}}]}}}}}}'
)


EXPORTS = [
    ("export.csv", SHOPIFY, "shopify-csv", ["MUG-RED a", "MUG-RED b", "MUG-RED c", "MUG-RED d", "lamp d"]),
    ("export.csv", SHOPIFY_2024, "shopify-csv", ["MUG-RED a", "MUG-RED b", "MUG-RED c"]),
    ("export.csv", WOOCOMMERCE, "woocommerce-csv", ["CUP a", "CUP b", "CUP-RED a"]),
    ("export.csv", MAGENTO_2, "magento-csv", ["M1 a", "M1 b", "M2 c"]),
    ("export.csv", MAGENTO_1, "magento-csv", ["M1 a", "M1 b", "M2 c"]),
    ("export.csv", VENDURE, "vendure-csv", ["L8 a", "L8 b", "L8 c", "T1 d"]),
    ("feed.txt", GOOGLE_TSV, "google-csv", ["1 a", "1 b", "1 c", "1 d"]),
    ("feed", GOOGLE_RSS, "google-xml", ["1 a", "1 b", "1 c", "1 d"]),
    ("feed.yml", YANDEX, "yandex-xml", ["5501 a", "5501 b"]),
    ("feed.php", HEUREKA, "heureka-xml", ["1 a", "1 b", "1 c"]),
    ("feed.xml", CENEO, "xml", ["1 a", "1 b", "2 c"]),
    ("feed.xml", BY_SHAPE, "xml", ["1 a", "1 b", "2 c"]),
    ("products.json", SHOPIFY_JSON, "shopify-json", ["MUG-RED a", "MUG-RED b"]),
    ("products.json", WOOCOMMERCE_REST, "woocommerce-json", ["CUP a", "CUP b"]),
    ("products.txt", GRAPHQL, "json", ["1 a"]),
]


@pytest.mark.parametrize(("name", "content", "format", "expected"), EXPORTS)
def test_export_is_recognised_and_gives_a_row_per_picture(
    tmp_path: Path, name: str, content: str, format: str, expected: list[str]
) -> None:
    manifest = opened(tmp_path, content, name)
    assert [" ".join(picture) for picture in pictures(manifest)] == expected
    assert manifest.format == format
    assert bool(manifest.layouts) == ("-" in format)


@pytest.mark.parametrize(("name", "content", "format", "expected"), EXPORTS)
def test_export_is_given_back_with_new_addresses_and_else_as_it_was(
    tmp_path: Path, name: str, content: str, format: str, expected: list[str]
) -> None:
    manifest = opened(tmp_path, content, name)
    assert rewritten(tmp_path / name, "h.example") == content
    new = rewritten(tmp_path / name, "new.example")
    rows = list(opened(tmp_path, new, name).rows())
    assert [f"{row.sku} {Path(row.source).stem}" for row in rows] == expected
    assert {row.source.split("/")[2] for row in rows} == {"new.example"}
    assert new.replace("new.example", "h.example") == content
    assert manifest.format == format


def rewritten(path: Path, host: str) -> str:
    """Return a feed with the pictures of the host at another one."""
    out = io.BytesIO()
    rewrite_feed(path, None, lambda _, address: address.replace("h.example", host), out)
    return out.getvalue().decode()


def test_pictures_of_a_shopify_product_share_its_sku_category_and_position(tmp_path: Path) -> None:
    manifest = opened(tmp_path, SHOPIFY, "export.csv")
    rows = [row for row in manifest.rows() if row.columns["Handle"] == "mug"]
    assert {(row.sku, row.category) for row in rows} == {("MUG-RED", "Mugs")}
    assert [row.position for row in rows] == ["1", "2", "3", ""]
    assert rows[2].columns["Title"] == "Mug"


def test_row_that_only_describes_a_variant_is_no_failure_but_counted(tmp_path: Path) -> None:
    for content in (SHOPIFY, WOOCOMMERCE):
        manifest = opened(tmp_path, content, "export.csv")
        assert all(row.error is None for row in manifest.rows())
        assert any("without a picture" in note and note.endswith(": 1") for note in manifest.notes)


def test_position_of_woocommerce_is_that_of_the_product_in_a_menu(tmp_path: Path) -> None:
    assert {row.position for row in opened(tmp_path, WOOCOMMERCE, "export.csv").rows()} == {""}


def test_category_of_woocommerce_is_not_its_type(tmp_path: Path) -> None:
    first = next(opened(tmp_path, WOOCOMMERCE, "export.csv").rows())
    assert first.category == "Kitchen > Cups, Gifts"


def test_merchant_may_name_the_platform(tmp_path: Path) -> None:
    manifest = opened(tmp_path, SHOPIFY, "export.csv", "plain")
    assert manifest.format == "csv"
    assert ("MUG-BLUE", "b") in pictures(manifest)
    with pytest.raises(UsageError, match="choose shopify, woocommerce"):
        opened(tmp_path, SHOPIFY, "export.csv", "shopfy")


@pytest.mark.parametrize("declared", ["", ' xmlns:g="http://base.google.com/cns/1.0"'])
def test_wrong_namespace_is_named_and_the_feed_read(tmp_path: Path, declared: str) -> None:
    content = f"<rss{declared}><item><g:id>1</g:id><g:image_link>{A}</g:image_link></item></rss>"
    manifest = opened(tmp_path, content, "feed.xml")
    assert pictures(manifest) == [("1", "a")]
    assert any("namespace" in note and ("cns" in note or "none" in note) for note in manifest.notes)


@pytest.mark.parametrize(
    "header",
    ["sku,image,image,image", "sku,image,Image,IMAGE", "sku,Image 1,Image 2,Image 3", "sku,image,image2,image_03"],
)
def test_numbered_and_repeated_columns_are_pictures_of_one_product(tmp_path: Path, header: str) -> None:
    manifest = opened(tmp_path, f"{header}\nX,{A},{B},\nY,{C},,\n", "feed.csv")
    assert pictures(manifest) == [("X", "a"), ("X", "b"), ("Y", "c")]


def test_header_that_is_repeated_between_rows_is_left_out(tmp_path: Path) -> None:
    manifest = opened(tmp_path, f"sku,image\nX,{A}\nsku,image\nY,{B}\n", "feed.csv")
    assert pictures(manifest) == [("X", "a"), ("Y", "b")]
    assert any("repeat the header" in note for note in manifest.notes)
