"""The border of a picture: its outermost pixels, and what hangs together with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def border_of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the outermost row and column on each side, one after the other, of (H, W) or (H, W, C)."""
    return np.concatenate((values[0], values[-1], values[:, 0], values[:, -1]))


def at_border(areas: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.bool_]:
    """Return which of the labels 0 to ``count`` touch the border; never 0, which is no area: bool (count + 1,)."""
    touching = np.zeros(count + 1, np.bool_)
    touching[border_of(areas)] = True
    touching[0] = False
    return touching
