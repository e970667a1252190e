"""Count what is unusual in a manifest while it is read, and say it in a few sentences."""

from __future__ import annotations

import re
from collections import Counter

_EXCEL_NUMBER = re.compile(r"[0-9][.,]?[0-9]*E\+[0-9]{2}", re.IGNORECASE)
_SKUS_COUNTED = 1000

_SENTENCES = {
    "optional": "rows without a picture, which only describe a variant or product, are left out: {count}",
    "header": "rows that repeat the header are left out: {count}",
    "scheme": "addresses without a scheme (www.…) were read as https://, so write it to be sure: {count}",
    "userinfo": "user names and passwords in addresses were removed, so sign these addresses instead: {count}",
    "ampersand": "bare & and names such as &nbsp;, which are not valid XML, were repaired: {count}",
    "control": "characters that XML does not allow were replaced: {count}",
    "doctype": "the document type names another file, which was not read",
    "namespace": "the namespace of g: is {detail}; Google Merchant expects http://base.google.com/ns/1.0",
    "product": "products that are not valid XML were skipped: {count}",
}


class Findings:
    """What one reading of a file found. Memory is bounded."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._details: dict[str, str] = {}
        self._excel: Counter[str] = Counter()

    def add(self, kind: str, detail: str = "", count: int = 1) -> None:
        """Count one case of a kind, a key of the table above."""
        self._counts[kind] += count
        self._details.setdefault(kind, detail)

    def see_sku(self, sku: str) -> None:
        """Remember a picture's sku if it looks as if a spreadsheet had rounded it."""
        if "+" in sku and _EXCEL_NUMBER.fullmatch(sku) and (sku in self._excel or len(self._excel) < _SKUS_COUNTED):
            self._excel[sku] += 1

    def notes(self, name: str) -> tuple[str, ...]:
        """Return a sentence for each kind."""
        notes = [
            f"{name}: {_SENTENCES[kind].format(count=count, detail=self._details[kind])}"
            for kind, count in self._counts.items()
        ]
        for sku, count in self._excel.most_common(3):
            if count > 1:
                notes.append(
                    f"{name}: {count} pictures share the sku {sku}, which looks like a number that a spreadsheet"
                    " rounded: format the column as text and export it again"
                )
        return tuple(notes)
