"""Collect the fields of one product of an XML feed."""

from __future__ import annotations

from producer.manifest.columns import COLUMN_LIMIT
from producer.manifest.formats.csvrecords import damaged_text, too_long
from producer.manifest.formats.records import Entry
from producer.manifest.formats.textlines import RECORD_LIMIT
from producer.manifest.formats.xml_shape import local_name
from producer.manifest.platforms import SKU_COLUMNS, compact, is_image
from shared.errors import InvalidInput
from shared.plain_text import storable

_KEPT = 4096
"""Characters that are kept of each element of a product over the limit."""

_MOST_PICTURES = 2000
_ADDRESS_ATTRIBUTES = ("url", "src", "href", "link")


class Product:
    """Fields of a product: its attributes, its children, and pictures at any depth.

    Pictures are addressed by an element's text or attribute; those within a container such as ``<images>`` count
    whatever they are called. Several pictures of one name make one field with a line for each.
    """

    def __init__(self, line: int, attributes: dict[str, str]) -> None:
        self.problem: InvalidInput | None = None
        self._line = line
        self._size = 0
        self._path: list[str] = []
        self._container: list[str] = []  # names of the picture elements that are open
        self._text: list[str] = []
        self._text_size = 0
        self._values: dict[str, str] = {}
        self._pictures: dict[str, list[str]] = {}
        self._enclosed: list[str] = []
        self._count = 0
        for name, text in attributes.items():
            self._add(local_name(name), text)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element of the product."""
        self._clear_text()
        name = local_name(tag)
        self._path.append(name)
        if is_image(compact(name)):
            self._container.append(name)
        address = next((attributes[key] for key in _ADDRESS_ATTRIBUTES if attributes.get(key)), "")
        if address and self._container:
            self._add_picture(self._container[-1], address)
        elif address and (tag.startswith("media:") or attributes.get("type", "").startswith("image/")):
            self._enclosed.append(address)
        else:
            for key, text in attributes.items():
                if is_image(compact(local_name(key))):
                    self._add_picture(local_name(key), text)

    def end(self, tag: str) -> None:
        """End an element of the product."""
        name, text = local_name(tag), "".join(self._text).strip()
        self._clear_text()
        depth = len(self._path)
        self._path.pop()
        container = self._container[-1] if self._container else None
        if container == name and is_image(compact(name)):
            self._container.pop()
        if not text:
            return
        if container is not None:
            key = compact(name)
            if is_image(key) or key in ("url", "src", "link", "href", "path", "file", "main", "i", "large", "original"):
                self._add_picture(name if is_image(key) else container, text)
        elif depth == 1:
            self._add(name, text)

    def characters(self, text: str) -> None:
        """Take text of the element that is open."""
        self._size += len(text)
        self._text_size += len(text)
        if self._size <= RECORD_LIMIT or self._text_size <= _KEPT:
            self._text.append(text)

    def entry(self) -> Entry:
        """Return the record."""
        values = dict(self._values)
        for name, pictures in self._pictures.items():
            values[name] = "\n".join(pictures)
        if self._enclosed and not self._pictures:
            values["image"] = "\n".join(dict.fromkeys(self._enclosed))
        values = {storable(name): storable(text) for name, text in values.items()}
        problem = self.problem
        if self._size > RECORD_LIMIT:
            problem = problem or too_long("product")
        elif len(values) > COLUMN_LIMIT:
            problem = problem or InvalidInput(
                f"the product has more than {COLUMN_LIMIT} fields", code="too_many_columns"
            )
        elif any("\ufffd" in text for name, text in values.items() if _decides(name)):
            problem = problem or damaged_text()
        return Entry(self._line, dict(list(values.items())[:COLUMN_LIMIT]), problem)

    def _add(self, name: str, text: str) -> None:
        if is_image(compact(name)):
            self._add_picture(name, text)
        elif text and len(self._values) <= COLUMN_LIMIT:
            self._values.setdefault(name, text)

    def _add_picture(self, name: str, text: str) -> None:
        text = text.strip()
        self._count += 1
        if text and self._count <= _MOST_PICTURES:
            self._values.setdefault(name, "")  # keeps its place among the fields
            self._pictures.setdefault(name, []).append(text)

    def _clear_text(self) -> None:
        self._text = []
        self._text_size = 0


def _decides(name: str) -> bool:
    """Return whether a field says which product or picture it is about."""
    return is_image(compact(name)) or compact(name) in SKU_COLUMNS
