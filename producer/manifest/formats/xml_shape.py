"""Find out which elements of an XML feed are its products, by their usual names or by the shape of the document."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from xml.parsers import expat

from producer.manifest.platforms import compact, is_image

USUAL_RECORDS = frozenset(("item", "entry", "product", "offer", "shopitem", "article", "artikel", "produkt", "good"))
_HEAD = 1 << 20
_DEPTH_LIMIT = 64


def local_name(tag: str) -> str:
    """Return the name of an element without its namespace prefix."""
    return tag.rpartition(":")[2]


def record_names(pieces: Iterable[str]) -> frozenset[str]:
    """Return the local names, in lower case, of the elements that are products, from the beginning of a feed."""
    shape = _Shape()
    size = 0
    try:
        for piece in pieces:
            shape.parser.Parse(piece)
            size += len(piece)
            if size > _HEAD:
                break
    except (expat.ExpatError, ValueError):
        pass  # reading it says what is wrong
    return shape.records()


class _Shape:
    """Counts the elements of a document by their paths, and notes which contain pictures and other fields."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._path: tuple[str, ...] = ()
        self._has_child: list[bool] = [False]
        self._count: Counter[tuple[str, ...]] = Counter()
        self._pictured: set[tuple[str, ...]] = set()
        self._fields: dict[tuple[str, ...], set[str]] = defaultdict(set)

    def records(self) -> frozenset[str]:
        """Return the names of the elements that are products."""
        candidates = [path for path in self._pictured if len(path) > 1 and not is_image(compact(path[-1]))]
        if any(path[-1] in USUAL_RECORDS for path in candidates):
            return USUAL_RECORDS
        candidates = [path for path in candidates if self._fields[path]]
        repeated = [path for path in candidates if self._count[path] > 1]
        if repeated:
            best = max(repeated, key=lambda path: (self._count[path], -len(path)))
            return frozenset((best[-1],))
        if candidates:
            return frozenset((max(candidates, key=len)[-1],))
        return USUAL_RECORDS

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = local_name(tag).lower()
        self._has_child[-1] = True
        self._has_child.append(False)
        self._path = (*self._path, name) if len(self._path) < _DEPTH_LIMIT else self._path
        self._count[self._path] += 1
        if is_image(compact(name)) or any(is_image(compact(key)) for key in attributes):
            self._pictured.update(self._path[:end] for end in range(1, len(self._path) + 1))
        self._fields[self._path].update(attributes)

    def _end(self, tag: str) -> None:
        name = local_name(tag).lower()
        if not self._has_child.pop() and not is_image(compact(name)):
            self._fields[self._path[:-1]].add(name)
        if self._path and self._path[-1] == name:
            self._path = self._path[:-1]
