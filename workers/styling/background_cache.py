"""Pictures that stand behind products, fetched from the store once, decoded and shrunk."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from shared.errors import ImageError, MissingObject, SourceRefused
from shared.merchants.backgrounds import background_key
from shared.store import ObjectStore
from workers.images.compose import shrink
from workers.images.decode import decode
from workers.images.encode import on_white
from workers.images.limits import Limits

Pixels = npt.NDArray[np.uint8]

KEPT_PX = 3000
"""Longer side to which a picture is shrunk: as large as renditions are, and 27 MB."""

KEPT = 4
"""Pictures kept: few merchants are styled at once, and each has one or two."""


class BackgroundCache:
    """Background pictures by merchant and sha256."""

    def __init__(self, store: ObjectStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self.picture = lru_cache(maxsize=KEPT)(self._fetch)
        """Return a merchant's picture, uint8 (H, W, 3). Raises ImageError if it is gone or damaged."""

    def _fetch(self, merchant: int, sha256: str) -> Pixels:
        try:
            data = self._store.get(background_key(merchant, sha256))
        except MissingObject as error:
            raise SourceRefused(
                f"the background picture {sha256[:12]}… is gone: add it again with `atelier backgrounds add`",
                code="background_gone",
            ) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SourceRefused(
                f"the background picture {sha256[:12]}… is damaged: add it again", code="background_gone"
            )
        try:
            photo = decode(data, self._limits)
        except ImageError as error:
            raise SourceRefused(f"the background picture cannot be used: {error}", code="background_gone") from error
        rgb = photo.rgb if photo.alpha is None else on_white(photo.rgb, photo.alpha)
        factor = min(1.0, KEPT_PX / max(photo.width, photo.height))
        picture = shrink(rgb, (max(1, round(photo.width * factor)), max(1, round(photo.height * factor))))
        picture.setflags(write=False)  # shared by threads
        return picture
