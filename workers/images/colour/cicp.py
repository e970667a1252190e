"""Colour spaces by the code points of ITU-T H.273 (CICP), as PNG, AVIF and HEIC write them."""

from __future__ import annotations

from workers.images.colour.space import (
    BT709,
    BT2020,
    D65,
    P3_D65,
    SRGB_CURVE,
    ColourSpace,
    Curve,
    HdrCurve,
    Primaries,
)

_UNSPECIFIED = 2
_ILLUMINANT_C = (0.310, 0.316)
_SMPTE_170M = Primaries((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), D65)

_PRIMARIES = {
    1: BT709,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _ILLUMINANT_C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: _SMPTE_170M,
    7: _SMPTE_170M,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _ILLUMINANT_C),
    9: BT2020,
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),
    11: Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.314, 0.351)),
    12: P3_D65,
    22: Primaries((0.63, 0.34), (0.295, 0.605), (0.155, 0.077), D65),
}

_BT709_CURVE = Curve(1 / 0.45, 1 / 1.099297, 0.099297 / 1.099297, 1 / 4.5, 0.081243)

_CURVES: dict[int, Curve | HdrCurve] = {
    1: _BT709_CURVE,
    4: Curve(2.2),
    5: Curve(2.8),
    6: _BT709_CURVE,
    7: Curve(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0913),
    8: Curve(1.0),
    11: _BT709_CURVE,
    12: _BT709_CURVE,
    13: SRGB_CURVE,
    14: _BT709_CURVE,
    15: _BT709_CURVE,
    16: HdrCurve.PQ,
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6)),
    18: HdrCurve.HLG,
}


def space_of_codes(primaries: int, transfer: int) -> ColourSpace | None:
    """Return the space that the two code points name; None where they say nothing, or nothing that is known.

    Where one of them is unspecified, MIAF's default stands for it: the primaries, or the curve, of sRGB.
    """
    if primaries == transfer == _UNSPECIFIED:
        return None
    gamut = BT709 if primaries == _UNSPECIFIED else _PRIMARIES.get(primaries)
    curve = SRGB_CURVE if transfer == _UNSPECIFIED else _CURVES.get(transfer)
    return None if gamut is None or curve is None else ColourSpace(gamut, curve)
