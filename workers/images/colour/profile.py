"""A colour space as an ICC profile, so that littlecms converts from it as from an embedded one."""

from __future__ import annotations

import struct

import numpy as np

from workers.images.colour.space import ColourSpace, Curve, Matrix

_D50 = np.array((0.9642, 1.0, 0.8249))
_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))
_HEADER_BYTES, _ENTRY_BYTES = 128, 12
_PARAMETRIC_WITH_LINEAR_FOOT = 3


def icc_profile(space: ColourSpace) -> bytes:
    """Return a matrix profile, version 4; raise ValueError for a space that has none."""
    if not isinstance(space.curve, Curve):
        raise ValueError("a profile of a matrix and curves reaches no further than white")
    colorants = _adaptation_to_d50(space.primaries.white) @ space.primaries.to_xyz()
    tags = {name: _xyz(colorants[:, index]) for index, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _parametric(space.curve))
    tags[b"wtpt"] = _xyz(_D50)
    at = _HEADER_BYTES + 4 + _ENTRY_BYTES * len(tags)
    table, body = struct.pack(">L", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sLL", name, at + len(body), len(content))
        body += content
    return _header(at + len(body)) + table + body


def _adaptation_to_d50(white: tuple[float, float]) -> Matrix:
    x, y = white
    cones = _BRADFORD @ np.array((x / y, 1.0, (1 - x - y) / y))
    scale: Matrix = np.linalg.solve(_BRADFORD, np.diag(_BRADFORD @ _D50 / cones) @ _BRADFORD)
    return scale


def _header(size: int) -> bytes:
    kind = struct.pack(">L4xL4s4s4s", size, 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    return kind + bytes(12) + b"acsp" + bytes(28) + _fixed(*_D50) + bytes(48)


def _xyz(values: Matrix) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*values)


def _parametric(curve: Curve) -> bytes:
    kind = struct.pack(">4s4xHxx", b"para", _PARAMETRIC_WITH_LINEAR_FOOT)
    return kind + _fixed(curve.g, curve.a, curve.b, curve.c, curve.d)


def _fixed(*values: float) -> bytes:
    """Numbers as ICC's s15Fixed16."""
    return struct.pack(f">{len(values)}l", *(round(value * 65_536) for value in values))
