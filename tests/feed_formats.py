"""Small exports of every system in its published layout, and what is right to read in them.

The table of these in ``docs/feeds.md`` is written by ``make docs``, and each line of it is a test.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.unit.test_manifest_platforms import (
    BY_SHAPE,
    CENEO,
    GOOGLE_RSS,
    GOOGLE_TSV,
    HEUREKA,
    MAGENTO_1,
    MAGENTO_2,
    SHOPIFY,
    SHOPIFY_2024,
    SHOPIFY_JSON,
    VENDURE,
    WOOCOMMERCE,
    WOOCOMMERCE_REST,
    YANDEX,
    A,
    B,
    C,
)


class FeedFormat(NamedTuple):
    """One format: an export of it, how it is recognised, what it holds, and how it is given back.

    ``images``  rows that name a picture; ``pictures`` are distinct. ``back``: what is new when it is given back.
    ``added``   where ``--add`` puts a rendition; empty where there is no place for one.
    """

    title: str
    file: str
    content: str
    format: str
    images: int
    pictures: int
    skus: int
    back: str
    added: str


GOOGLE_ATOM = f"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
<entry><g:id>1</g:id><g:image_link>{A}</g:image_link><g:additional_image_link>{B}</g:additional_image_link></entry>
<entry><g:id>2</g:id><g:image_link>{C}</g:image_link></entry></feed>"""
WIX = f"""handleId,fieldType,name,productImageUrl,sku,collection
p1,Product,Mug,{A};{B},M1,Mugs
p1,Variant,,,M1-RED,
"""
SQUARESPACE = f"""Product ID,Title,SKU,Categories,Hosted Image URLs
1,Mug,M1,/mugs,{A} {B}
"""
NUMBERED = f"sku,Image 1,Image 2,Image 3\nX,{A},{B},\nY,{C},,\n"
PLAIN = f"sku,image\nX,{A}\nX,{B}\nY,{C}\n"
LINES = f'{{"sku": "X", "images": ["{A}", "{B}"]}}\n{{"sku": "Y", "images": ["{C}"]}}\n'
ONE = f'{{"sku": "X", "image": "{A}"}}\n{{"sku": "Y", "image": "{B}"}}\n'
DOCUMENT = f'{{"items": [{{"sku": "X", "image": "{A}"}}, {{"sku": "Y", "image": "{B}"}}]}}'

FORMATS = (
    FeedFormat("Shopify CSV, old header", "e.csv", SHOPIFY, "shopify-csv", 5, 4, 2, "cells, variants", "rows"),
    FeedFormat("Shopify CSV, header of 2024", "e.csv", SHOPIFY_2024, "shopify-csv", 3, 3, 1, "cells, variants", "rows"),
    FeedFormat("WooCommerce CSV", "e.csv", WOOCOMMERCE, "woocommerce-csv", 3, 2, 2, "cells", "cell"),
    FeedFormat("Magento 2 CSV", "e.csv", MAGENTO_2, "magento-csv", 3, 3, 2, "cells", "additional_images"),
    FeedFormat("Magento 1 CSV", "e.csv", MAGENTO_1, "magento-csv", 3, 3, 2, "cells", "rows"),
    FeedFormat("Vendure CSV", "e.csv", VENDURE, "vendure-csv", 4, 4, 2, "cells", "cell"),
    FeedFormat("Wix CSV", "e.csv", WIX, "wix-csv", 2, 2, 1, "cells", "cell"),
    FeedFormat("Squarespace CSV", "e.csv", SQUARESPACE, "squarespace-csv", 2, 2, 1, "cells", "cell"),
    FeedFormat("Google Merchant, text", "e.txt", GOOGLE_TSV, "google-csv", 4, 4, 1, "cells", "additional_image_link"),
    FeedFormat("Google Merchant, RSS 2.0", "e.xml", GOOGLE_RSS, "google-xml", 4, 4, 1, "elements", "elements"),
    FeedFormat("Google Merchant, Atom", "e.xml", GOOGLE_ATOM, "google-xml", 3, 3, 2, "elements", "elements"),
    FeedFormat("Yandex Market", "e.yml", YANDEX, "yandex-xml", 2, 2, 1, "elements", "elements"),
    FeedFormat("Heureka, Zboží", "e.xml", HEUREKA, "heureka-xml", 3, 3, 1, "elements", "elements"),
    FeedFormat("Ceneo, by its shape", "e.xml", CENEO, "xml", 3, 3, 2, "attributes", "elements"),
    FeedFormat("other XML, by its shape", "e.xml", BY_SHAPE, "xml", 3, 3, 2, "elements", "elements"),
    FeedFormat("Shopify `products.json`", "e.json", SHOPIFY_JSON, "shopify-json", 2, 2, 1, "values", "list"),
    FeedFormat("WooCommerce REST API", "e.json", WOOCOMMERCE_REST, "woocommerce-json", 2, 2, 1, "values", "list"),
    FeedFormat("JSON Lines with lists", "e.jsonl", LINES, "jsonl", 3, 3, 2, "values", "list"),
    FeedFormat("CSV with `Image 1` to `Image 3`", "e.csv", NUMBERED, "csv", 3, 3, 2, "cells", "next free column"),
    FeedFormat("CSV with one column `image`", "e.csv", PLAIN, "csv", 3, 3, 2, "cells", "copies of rows"),
    FeedFormat("JSON Lines with one `image`", "e.jsonl", ONE, "jsonl", 2, 2, 2, "values", "copies of lines"),
    FeedFormat("JSON document with one `image`", "e.json", DOCUMENT, "json", 2, 2, 2, "values", ""),
)


def formats_table() -> str:
    """Return the table of the formats for the page."""
    lines = [
        "| format | read as | images | pictures | SKUs | given back: new are | `--add` puts renditions in |",
        "|---|---|--:|--:|--:|---|---|",
    ]
    for one in FORMATS:
        added = one.added or "no place: refused"
        counts = f"{one.images} | {one.pictures} | {one.skus}"
        lines.append(f"| {one.title} | `{one.format}` | {counts} | {one.back} | {added} |")
    return "\n".join(lines)
