"""Draw a contact sheet: labelled pictures in rows and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

CELL_PX = 144
LABEL_PX = 14
MARGIN_PX = 4


@dataclass(frozen=True)
class Cell:
    """Picture no larger than a cell, and the label below it."""

    picture: Image.Image
    label: str = ""


def thumbnail(picture: Image.Image) -> Image.Image:
    """Return a copy that fits into a cell."""
    small = picture.copy()
    small.thumbnail((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
    return small


def contact_sheet(rows: Sequence[Sequence[Cell | None]]) -> Image.Image:
    """Draw rows of cells on grey. None leaves a place empty, and a label that is too long is cut."""
    step_x, step_y = CELL_PX + MARGIN_PX, CELL_PX + LABEL_PX + MARGIN_PX
    size = (MARGIN_PX + step_x * max(map(len, rows)), MARGIN_PX + step_y * len(rows))
    sheet = Image.new("RGB", size, (110, 110, 110))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(LABEL_PX - 3)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            if cell is None:
                continue
            left, top = MARGIN_PX + j * step_x, MARGIN_PX + i * step_y
            width, height = cell.picture.size
            sheet.paste(cell.picture, (left + (CELL_PX - width) // 2, top + (CELL_PX - height) // 2))
            draw.text((left, top + CELL_PX), _fitted(cell.label, font), fill="white", font=font)
    return sheet


def side_by_side(sheets: Sequence[Sequence[Sequence[Cell | None]]]) -> list[list[Cell | None]]:
    """Combine sheets with the same rows into one, with the columns that several of them share.

    Each sheet has a row of column heads and a column of row heads. The labels of the column heads number the sheets.
    """
    columns = {
        (head.label, number): [row[position] for row in sheet]
        for number, sheet in enumerate(sheets, 1)
        for position, head in enumerate(sheet[0])
        if head is not None
    }
    counted = Counter(label for label, _ in columns)
    chosen = sorted(key for key in columns if counted[key[0]] > 1)
    if not chosen:
        return []
    heads: list[Cell | None] = [None]
    for label, number in chosen:
        head = columns[label, number][0]
        heads.append(head and Cell(head.picture, f"{label} {number}"))
    body = [[row[0], *(columns[key][i] for key in chosen)] for i, row in enumerate(sheets[0][1:], 1)]
    return [heads, *body]


def _fitted(label: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    while font.getlength(label) > CELL_PX:
        label = label[:-2] + "…"
    return label
