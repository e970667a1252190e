"""Shop systems and feed formats: how each is recognised by its columns, and what its columns mean.

A name is compared without case, spaces and punctuation: ``Image Src``, ``image_src`` and ``imageSrc`` are the same. The
layouts are those of the systems' own exports, as their documentation publishes them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import UsageError

_IMAGE_WORDS = ("image", "picture", "photo", "img", "media")
_IMAGE_ENDINGS = ("", "s", "url", "urls", "link", "links", "src", "path")
_FURTHER_WORDS = "additional|alternate|alternative|extra|other|more|further|secondary|gallery|lifestyle|variant|detail"
_FURTHER = re.compile(
    rf"(?:{_FURTHER_WORDS})(?:{'|'.join(_IMAGE_WORDS)})(?:{'|'.join(_IMAGE_ENDINGS)})\d{{0,2}}"
    r"|imgurlalternative\d{0,2}|mediaimage|variantassets"
)

IMAGE_COLUMNS = (
    *("image", "imageurl", "imagelink", "imagesrc", "picture"),
    *("mainimage", "mainimageurl", "mainimagelink", "mainpicture", "baseimage", "productimage", "productimageurl"),
    *("featuredimage", "primaryimage", "primaryimageurl", "defaultimage", "coverimage", "imagepath", "imagefile"),
    *("images", "imageurls", "imagelinks", "imagesrcs", "pictures", "pictureurl", "picurl", "photo", "photos"),
    *(
        "photourl",
        "itemphotourl",
        "img",
        "imgs",
        "imgurl",
        "imgurls",
        "imagesurls",
        "productimages",
        "productimageurls",
    ),
    *("productmediamainimageurl", "hostedimageurls", "assets", "imageurlsxyz", "mediagalleryentries"),
    *("bild", "bilder", "bildurl", "imagen", "imágenes", "imagenes", "immagine", "immagini", "imagem", "imagens"),
    *("afbeelding", "afbeeldingen", "obrázek", "obrázky", "zdjęcie", "zdjęcia", "фото", "изображение", "изображения"),
    *("画像", "画像url", "图片", "图片链接", "主图"),
)
"""Names of the column with the first picture, in order of preference."""

WEAK_IMAGE_COLUMNS = ("url", "path")
"""Names that mean the picture only in a file without a better one: elsewhere they lead to the product's page."""

SKU_COLUMNS = (
    *("sku", "variantsku", "itemsku", "artikelnummer", "артикул", "商品コード", "货号"),
    *("reference", "id", "handle", "productid"),
)
CATEGORY_COLUMNS = ("category", "producttype", "productcategory", "googleproductcategory", "categories", "type")
POSITION_COLUMNS = ("position", "imageposition")
TITLE_COLUMNS = ("title", "name")


class AddedIn(StrEnum):
    """Where a table has room for one more picture of a product."""

    FURTHER = "further"
    """In a column for pictures beside the first."""
    CELL = "cell"
    """In the cell of the first picture, which may hold several."""
    ROW = "row"
    """In a row of its own beneath those of the product."""


@dataclass(frozen=True)
class Platform:
    """Layout of one system's exports.

    ``marks``            sets of columns; a file that has all of one set is of this platform.
    ``images``           columns of the first picture, in order of preference; the first that is filled counts.
    ``product``          columns that name the product which the rows beneath continue.
    ``continued``        whether a row without these belongs to the product above it.
    ``optional_images``  whether a row without a picture is no failure, because it only describes a variant.
    ``added_in``         where a table has room for one more picture of a product.
    ``separator``        what stands between several pictures in a cell.
    """

    name: str
    title: str
    marks: tuple[frozenset[str], ...] = ()
    images: tuple[str, ...] = IMAGE_COLUMNS + WEAK_IMAGE_COLUMNS
    skus: tuple[str, ...] = SKU_COLUMNS
    categories: tuple[str, ...] = CATEGORY_COLUMNS
    positions: tuple[str, ...] = POSITION_COLUMNS
    product: tuple[str, ...] = ()
    continued: bool = False
    optional_images: bool = False
    added_in: AddedIn = AddedIn.FURTHER
    separator: str = ","


def _marks(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(names.split()) for names in sets)


PLAIN = Platform("plain", "list of products")
"""Any other file: columns by their usual names."""

PLATFORMS = (
    Platform(
        "shopify",
        "Shopify export",
        _marks("handle imagesrc", "handle variantsku", "urlhandle productimageurl", "handle variants images"),
        images=("imagesrc", "productimageurl", "images", "image"),
        skus=("variantsku", "sku", "handle", "urlhandle", "id"),
        categories=("productcategory", "category", "type", "producttype"),
        positions=("imageposition",),
        product=("handle", "urlhandle"),
        optional_images=True,
        added_in=AddedIn.ROW,
    ),
    Platform(
        "woocommerce",
        "WooCommerce export",
        _marks(
            *("images visibilityincatalog", "image visibilityincatalog", "images sku type categories"),
            *("images sku type parent", "images sku permalink", "images sku stockstatus", "images sku taxstatus"),
            "id sku name categories images",
        ),
        images=("images", "image", "imageurl"),
        skus=("sku", "id"),
        categories=("categories", "category"),
        positions=(),
        optional_images=True,
        added_in=AddedIn.CELL,
        separator=", ",
    ),
    Platform(
        "magento",
        "Magento export",
        _marks("sku baseimage", "sku mediaimage", "sku attributesetcode image", "sku attributeset image"),
        images=("baseimage", "image", "smallimage", "thumbnailimage", "thumbnail"),
        skus=("sku",),
        categories=("categories", "category"),
        positions=(),
        product=("sku",),
        continued=True,
        optional_images=True,
    ),
    Platform(
        "vendure",
        "Vendure export",
        _marks("assets slug", "assets optiongroups", "assets sku"),
        images=("assets",),
        skus=("sku", "slug", "name"),
        categories=("category", "facets"),
        positions=(),
        product=("slug", "name"),
        continued=True,
        optional_images=True,
        added_in=AddedIn.CELL,
        separator="|",
    ),
    Platform(
        "wix",
        "Wix export",
        _marks("handleid productimageurl"),
        images=("productimageurl",),
        skus=("sku", "handleid"),
        categories=("collection",),
        positions=(),
        product=("handleid",),
        optional_images=True,
        added_in=AddedIn.CELL,
        separator=";",
    ),
    Platform(
        "squarespace",
        "Squarespace export",
        _marks("hostedimageurls"),
        images=("hostedimageurls",),
        categories=("categories",),
        positions=(),
        optional_images=True,
        added_in=AddedIn.CELL,
        separator=" ",
    ),
    Platform(
        "yandex",
        "Yandex Market feed",
        _marks("picture currencyid", "picture categoryid", "picture vendorcode"),
        images=("picture",),
        skus=("id", "vendorcode"),
        categories=("category", "categoryid"),
    ),
    Platform(
        "heureka",
        "Heureka or Zboží feed",
        _marks("imgurl itemid", "imgurl productname", "imgurl categorytext"),
        images=("imgurl",),
        skus=("itemid", "productno", "id"),
        categories=("categorytext",),
    ),
    Platform(
        "google",
        "Google Merchant feed",
        _marks("id imagelink", "id additionalimagelink", "gid imagelink"),
        images=("imagelink",),
        skus=("id", "gid", "sku"),
        categories=("producttype", "googleproductcategory", "category"),
    ),
)

PLATFORM_NAMES = tuple(platform.name for platform in (*PLATFORMS, PLAIN))


def compact(name: str) -> str:
    """Return a column's name as it is compared."""
    return re.sub(r"[\W_]+", "", name).casefold()


def detect(names: Iterable[str]) -> Platform:
    """Recognise the platform by the names of the columns."""
    known = {compact(name) for name in names}
    return next((platform for platform in PLATFORMS if any(marks <= known for marks in platform.marks)), PLAIN)


def platform_named(name: str) -> Platform:
    """Return the platform that a merchant names. Raises UsageError."""
    known = {platform.name: platform for platform in (*PLATFORMS, PLAIN)}
    if name not in known:
        raise UsageError(f"platform {name!r} is unknown: choose {', '.join(PLATFORM_NAMES)}")
    return known[name]


def is_further_image(name: str) -> bool:
    """Return whether a compact name is that of a column with pictures beside the first one."""
    return _FURTHER.fullmatch(name) is not None


def is_image(name: str, images: Collection[str] = IMAGE_COLUMNS) -> bool:
    """Return whether a compact name is that of a column with pictures, numbered ones included."""
    return name in images or is_further_image(name) or base_name(name) in images


def base_name(name: str) -> str:
    """Return a compact name without the number at its end: ``image3`` is one of the columns ``image``."""
    return re.sub(r"0*[0-9]{1,2}$", "", name)
