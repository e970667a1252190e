"""Where the cells of a CSV record stand in its text, and how to put others in their place."""

from __future__ import annotations

from collections.abc import Mapping


def spliced(text: str, changed: Mapping[int, str], delimiter: str) -> str:
    """Return a record with other cells, by their numbers; what is between the cells stays.

    Cells that the record is too short to have are put at its end.
    """
    spans = cell_spans(text, delimiter)
    pieces, position = [], 0
    for index, (start, end) in enumerate(spans):
        if index in changed:
            pieces += [text[position:start], quoted_like(text[start:end], changed[index], delimiter)]
            position = end
    last = spans[-1][1]
    pieces.append(text[position:last])
    for index in range(len(spans), max(changed, default=0) + 1):
        pieces += [delimiter, quoted_like("", changed.get(index, ""), delimiter)]
    return "".join([*pieces, text[last:]])


def quoted_like(raw: str, cell: str, delimiter: str) -> str:
    """Return a cell as it stands in a file, with quotes if the old one had some or the new one needs them."""
    if raw.startswith('"') or any(char in cell for char in (delimiter, '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def cell_spans(text: str, delimiter: str) -> list[tuple[int, int]]:
    """Return where the cells of one record begin and end, quotes included."""
    spans = []
    position, length = 0, len(text.rstrip("\r\n"))
    while True:
        end = position
        if text.startswith('"', position):
            end = text.find('"', position + 1)
            while text.startswith('"', end + 1):
                end = text.find('"', end + 2)
        next_delimiter = text.find(delimiter, end)
        if next_delimiter < 0:
            spans.append((position, max(position, length)))
            return spans
        spans.append((position, next_delimiter))
        position = next_delimiter + 1
