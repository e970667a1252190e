"""Turn the records of a manifest file into rows, one for each picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from producer.manifest.columns import Columns, first_filled
from producer.manifest.credentials import HIDDEN, without_credentials
from producer.manifest.findings import Findings
from producer.manifest.pictures import split_pictures
from producer.manifest.row import ManifestRow, shortened
from producer.manifest.source import Sources
from shared.background import normal_form
from shared.errors import InvalidInput, UsageError
from shared.look import Look, parse_mix
from shared.plain_text import storable
from shared.protection import parse_protection
from shared.strength import Strength

# Postgres allows 2,704 bytes in an index row.
_SKU_LIMIT = 512
_STYLE_LIMIT = 1024
_PICTURES_LIMIT = 500
_SEEN_LIMIT = 10_000


class _Picture(NamedTuple):
    line: int
    values: dict[str, str]
    address: str


class RowReader:
    """Reads the records of one file in order, and remembers the product that the rows beneath it continue."""

    def __init__(self, sources: Sources, findings: Findings) -> None:
        self._sources = sources
        self._findings = findings
        self._product: str | None = None
        self._sku = ""
        self._inherited: dict[str, str] = {}
        self._seen: set[str] = set()
        self._later: list[_Picture] = []
        self._later_columns: Columns | None = None

    def read(
        self, line: int, values: dict[str, str], columns: Columns, problem: InvalidInput | None = None
    ) -> Iterator[ManifestRow]:
        """Yield the rows of a record. A problem is stored in the row's ``error``; nothing is raised."""
        if columns.product:
            yield from self._enter(values, columns)
            values = self._completed(values)
        if problem is not None:
            yield self._row(line, values, columns, first_filled(values, columns.images), problem)
            return
        main = split_pictures(first_filled(values, columns.images))
        further = [address for name in columns.further for address in split_pictures(values.get(name, "").strip())]
        if not columns.product:
            yield from self._pictures(line, values, columns, main, further)
            return
        yield from self._pictures(line, values, columns, [one for one in main if self._is_new(one)], [], known=main)
        # A variant's picture is often one of the product's, which may still follow with its position.
        self._later += [_Picture(line, values, address) for address in further]
        self._later_columns = columns
        if len(self._later) > _PICTURES_LIMIT:
            yield from self._leave()

    def finish(self) -> Iterator[ManifestRow]:
        """Yield the rows that waited for the end of their product."""
        yield from self._leave()

    def _pictures(
        self,
        line: int,
        values: dict[str, str],
        columns: Columns,
        main: list[str],
        further: list[str],
        known: list[str] | None = None,
    ) -> Iterator[ManifestRow]:
        addresses = list(dict.fromkeys((*main, *further))) if further else main
        if not addresses:
            if columns.platform.optional_images:
                if not known and not any(first_filled(values, (name,)) for name in columns.further):
                    self._findings.add("optional")
            else:
                yield self._row(line, values, columns, "", None)
        elif len(addresses) == 1 and not further:
            cell = first_filled(values, columns.images)
            own = values if cell == addresses[0] else self._with_picture(values, columns, addresses[0])
            yield self._row(line, own, columns, addresses[0], None, alone=len(known or main) == 1)
        elif len(addresses) > _PICTURES_LIMIT:
            problem = InvalidInput(
                f"the row names {len(addresses)} pictures; the limit is {_PICTURES_LIMIT}", code="too_many_pictures"
            )
            yield self._row(line, values, columns, addresses[0], problem)
        else:
            for address in addresses:
                yield self._row(line, self._with_picture(values, columns, address), columns, address, None, alone=False)

    def _with_picture(self, values: dict[str, str], columns: Columns, address: str) -> dict[str, str]:
        """Return a record that names one of its pictures alone, so that errors.csv repeats no other."""
        names = (*columns.images, *columns.further)
        return values | dict.fromkeys((name for name in names if name in values), "") | {names[0]: address}

    def _row(
        self,
        line: int,
        values: dict[str, str],
        columns: Columns,
        address: str,
        problem: InvalidInput | None,
        *,
        alone: bool = True,
    ) -> ManifestRow:
        column = next((name for name in (*columns.images, *columns.further) if values.get(name)), columns.image)
        values = without_credentials(values, column)
        if "@" in address and column is not None:
            address = without_credentials({column: address}, column)[column]
        given = first_filled(values, columns.skus)
        if columns.product:
            given = self._sku or given
        suggestion = self._sources.suggested_output(address) if address and problem is None else given or f"row-{line}"
        source, style, strength, protect, background, error = "", None, None, None, None, problem
        if problem is None:
            try:
                style = _style(_value(values, columns.style))
                strength = _strength(_value(values, columns.strength))
                protect = _protect(_value(values, columns.protect))
                background = _background(_value(values, columns.background))
                _check_sku(given)
                source = self._sources.resolve(_required(address, given))
                self._note(address, given)
            except InvalidInput as refused:
                error = refused.with_traceback(None)  # otherwise each bad row keeps its stack frames alive
        sku = storable(given or (suggestion if address and problem is None else ""))[-_SKU_LIMIT:]
        return ManifestRow(
            line,
            sku,
            source,
            self._sources.named(address),
            suggestion,
            style,
            strength,
            values,
            error,
            first_filled(values, columns.positions) if alone else "",
            first_filled(values, columns.categories),
            protect,
            background,
        )

    def _note(self, address: str, sku: str) -> None:
        if address[:4].lower() == "www.":
            self._findings.add("scheme")
        if HIDDEN in address:
            self._findings.add("userinfo")
        self._findings.see_sku(sku)

    def _enter(self, values: dict[str, str], columns: Columns) -> Iterator[ManifestRow]:
        """Begin a product where a record names another one."""
        name = first_filled(values, columns.product)
        if name == self._product or (not name and columns.platform.continued and self._product is not None):
            return
        yield from self._leave()
        self._product = name
        self._sku = first_filled(values, columns.skus)
        self._seen = set()
        self._inherited = {column: values.get(column, "") for column in columns.inherited}

    def _leave(self) -> Iterator[ManifestRow]:
        later, self._later = self._later, []
        for picture in later:
            if self._later_columns is not None and self._is_new(picture.address):
                own = self._with_picture(picture.values, self._later_columns, picture.address)
                yield self._row(picture.line, own, self._later_columns, picture.address, None, alone=False)

    def _completed(self, values: dict[str, str]) -> dict[str, str]:
        """Return a record with what it leaves out and its product says: sku, category, title."""
        missing = {
            name: text for name, text in self._inherited.items() if text.strip() and not values.get(name, "").strip()
        }
        return values | missing if missing else values

    def _is_new(self, address: str) -> bool:
        if address in self._seen:
            return False
        if len(self._seen) < _SEEN_LIMIT:
            self._seen.add(address)
        return True


def _value(values: dict[str, str], column: str | None) -> str:
    return values.get(column, "").strip() if column is not None else ""


def _required(image: str, sku: str) -> str:
    if not image:
        subject = f"sku {shortened(sku)!r} has" if sku else "the row has neither sku nor"
        raise InvalidInput(f"{subject} no image: write its path or URL", code="missing_image")
    return image


def _check_sku(sku: str) -> None:
    if len(sku) > _SKU_LIMIT:
        raise InvalidInput(
            f"sku {sku[:40]!r}… has {len(sku)} characters: the limit is {_SKU_LIMIT}", code="sku_too_long"
        )


def _style(text: str) -> str | None:
    if not text:
        return None
    try:
        if len(text) > _STYLE_LIMIT:
            raise UsageError(f"at most {_STYLE_LIMIT} characters")
        Look(parse_mix(text))
    except UsageError as error:
        raise InvalidInput(f"style {shortened(text)!r}: {shortened(str(error))}", code="bad_style") from None
    return text


def _strength(text: str) -> Strength | None:
    if not text:
        return None
    try:
        return Strength.parse(text)
    except UsageError:
        raise InvalidInput(
            f"strength {shortened(text)!r} is not a number from 0 to 1, nor two of them as in 0.4/1.0",
            code="bad_strength",
        ) from None


def _background(text: str) -> str | None:
    if not text:
        return None
    try:
        normal_form(text)
    except UsageError as error:
        raise InvalidInput(shortened(str(error)), code=error.code) from None
    return text


def _protect(text: str) -> str | None:
    if not text:
        return None
    try:
        parse_protection(text)
    except UsageError as error:
        raise InvalidInput(shortened(str(error)), code="bad_protect") from None
    return text
