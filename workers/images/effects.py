"""Procedural styles in a look: applied to the photo itself, and mixed with what the generator painted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.images.compose import STRIP_ROWS, Pixels, compose
from workers.images.procedural.definition import Effect

Effects = Sequence[tuple[float, Effect]]
"""Procedural styles with their weights in a mix; what is left of 1 belongs to the styles that are learnt."""


def with_effects(photo: Pixels, small: Pixels, painted: Pixels | None, effects: Effects, *, scale: float) -> Pixels:
    """Return a photo in a mix with procedural styles, at full size and strength: uint8 (H, W, 3).

    Style vectors are mixed before the generator paints them; pictures of different kinds, as weighted means of
    their pixels.

    Args:
        photo: the source, uint8 (H, W, 3).
        small: the source at working size.
        painted: what the generator made of ``small`` in the learnt styles of the mix; None where there are none.
        effects: the procedural styles.
        scale: the look's texture scale.
    """
    parts = [(weight, effect.apply(photo, scale)) for weight, effect in effects]
    if painted is not None:
        everywhere = np.full(small.shape[:2], 255, np.uint8)
        parts.append((1 - sum(weight for weight, _ in effects), compose(photo, small, painted, everywhere, strength=1)))
    if len(parts) == 1:
        return parts[0][1]
    mixed = np.empty_like(photo)
    for top in range(0, len(photo), STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        values = sum(np.float32(weight) * pixels[rows] for weight, pixels in parts)
        mixed[rows] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return mixed
