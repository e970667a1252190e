"""Reading ``.cube`` files (Adobe 2013, "Cube LUT Specification" 1.0): tables of colours from grading programs.

They come from anywhere, so lines, sizes and numbers are bounded before anything is kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workers.images.grading.lut import LARGEST, SMALLEST, ColourTable, identity
from workers.images.procedural.tones import BadStyle

Field = npt.NDArray[np.float32]
Numbers = tuple[float, float, float]

MAX_CUBE_BYTES = 8 << 20
"""A table of 65 entries a side, with six decimals, has about 7.5 MB."""

LARGEST_READ = 65
"""Entries along each side that a file may have; more than 33 are reduced."""

LONGEST_LINE = 250
"""Characters of a line, as the specification limits them."""

FARTHEST = 16.0
"""Greatest size of a number; results beyond 0 to 1 are clipped."""


def table_from_cube(data: bytes) -> ColourTable:
    """Read a three-dimensional ``.cube`` file. Raises BadStyle, which names the line."""
    if len(data) > MAX_CUBE_BYTES:
        raise BadStyle(f"the .cube file is larger than {MAX_CUBE_BYTES >> 20} MiB")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadStyle("the .cube file is not text") from error
    size, low, high, first = _header(lines)
    rows = [
        (number, line)
        for number, line in enumerate(lines[first:], first + 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if len(rows) != size**3:
        raise BadStyle(f"the .cube file has {len(rows)} lines of colours instead of {size**3}")
    table = np.array([_numbers(line, number) for number, line in rows], np.float32)
    return ColourTable.of(_on_grid(table.reshape(size, size, size, 3), low, high))


def _header(lines: list[str]) -> tuple[int, Field, Field, int]:
    """Return the size, least and greatest input, and the index of the first line of colours."""
    size, domain = 0, {"DOMAIN_MIN": (0.0, 0.0, 0.0), "DOMAIN_MAX": (1.0, 1.0, 1.0)}
    for index, line in enumerate(lines):
        if len(line) > LONGEST_LINE:
            raise BadStyle(f"line {index + 1} of the .cube file has more than {LONGEST_LINE} characters")
        word, rest = (*line.split(maxsplit=1), "", "")[:2]
        if word in ("", "TITLE") or word.startswith("#"):
            continue
        if word == "LUT_1D_SIZE":
            raise BadStyle("the .cube file has a one-dimensional table; a three-dimensional one is needed")
        if word == "LUT_3D_SIZE":
            size = _size(rest, index + 1)
        elif word in domain:
            domain[word] = _numbers(rest, index + 1)
        elif size and word[0] in "+-.0123456789":
            return size, *_domain(*domain.values()), index
        else:
            raise BadStyle(f"line {index + 1} of the .cube file is not understood: {line[:40]!r}")
    raise BadStyle("the .cube file has no LUT_3D_SIZE with colours after it")


def _domain(least: Numbers, greatest: Numbers) -> tuple[Field, Field]:
    low, high = np.array(least, np.float32), np.array(greatest, np.float32)
    if not bool((high > low).all()):
        raise BadStyle("DOMAIN_MAX of the .cube file must be above DOMAIN_MIN")
    return low, high


def _size(text: str, line: int) -> int:
    if text.strip().isascii() and text.strip().isdecimal() and SMALLEST <= int(text[:6]) <= LARGEST_READ:
        return int(text)
    raise BadStyle(f"LUT_3D_SIZE in line {line} of the .cube file must be from {SMALLEST} to {LARGEST_READ}")


def _numbers(text: str, line: int) -> Numbers:
    try:
        red, green, blue = (float(word) for word in text.split(maxsplit=3))
    except ValueError:
        red = green = blue = float("inf")
    if len(text) > LONGEST_LINE or not all(abs(value) <= FARTHEST for value in (red, green, blue)):
        raise BadStyle(f"line {line} of the .cube file is not three numbers from -{FARTHEST:g} to {FARTHEST:g}")
    return red, green, blue


def _on_grid(table: Field, low: Field, high: Field) -> Field:
    """Sample a table on the usual grid of 0 to 1, with at most ``LARGEST`` entries a side."""
    size = len(table)
    if size <= LARGEST and not low.any() and (high == 1).all():
        return table
    at = np.clip((identity(min(size, LARGEST)) - low) / (high - low), 0, 1) * (size - 1)
    floor = np.minimum(at.astype(np.intp), size - 2)
    part = at - floor
    sampled = np.zeros_like(at)
    for corner in np.ndindex(2, 2, 2):
        red, green, blue = (floor[..., axis] + corner[axis] for axis in range(3))
        share = np.prod([part[..., i] if corner[i] else 1 - part[..., i] for i in range(3)], axis=0)
        sampled += share[..., np.newaxis] * table[blue, green, red]
    return sampled.astype(np.float32)
