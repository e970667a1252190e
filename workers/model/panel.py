"""The frozen panel: the same held-out photos for every generator that is measured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from PIL import Image
from torch import Tensor

from shared.errors import UsageError
from workers.model.dataset import PhotoSet, load_image

PANEL_PHOTOS = 20
SMALLEST_SIDE_PX = 48
"""The split is all that is wanted of photos outside the test set; this size makes them quick to read."""


@dataclass(frozen=True)
class Panel:
    """Photos that no training saw, in an order that depends on their content alone.

    ``data_hash`` names the panel: the contents of its photos and the size they are shown at.
    """

    photos: tuple[Path, ...]
    px: int
    data_hash: str

    @classmethod
    def choose(cls, folders: Sequence[Path], px: int, size: int = PANEL_PHOTOS) -> Panel:
        """Take ``size`` photos of the test split, an equal share of each folder, in the order of their hashes.

        A folder that has too few leaves its share to the others. Raises UsageError if there is none.
        """
        return cls.of(stratified(PhotoSet.load(folders, SMALLEST_SIDE_PX).test, size), px)

    @classmethod
    def of(cls, photos: Sequence[Path], px: int) -> Panel:
        """Make a panel of these photos. Raises UsageError if there are none."""
        if not photos:
            raise UsageError("no photo falls into the test split: add photos")
        digests = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos]
        return cls(tuple(photos), px, hashlib.sha256("".join([*digests, str(px)]).encode()).hexdigest())

    def load(self, photo: Path) -> Tensor:
        """Read a photo as float (1, 3, H, W) in [0, 1], its longer side at most ``px``."""
        with Image.open(photo) as image:
            short_px = round(self.px * min(image.size) / max(image.size))
        return load_image(photo, max(1, short_px))[None].float() / 255


def stratified(photos: Sequence[Path], size: int) -> list[Path]:
    """Deal ``size`` photos out of their folders in turn, keeping the order within each folder."""
    folders: dict[Path, list[Path]] = {}
    for photo in photos:
        folders.setdefault(photo.parent, []).append(photo)
    rounds = zip_longest(*(folders[folder] for folder in sorted(folders)))
    return [photo for photo in chain.from_iterable(rounds) if photo is not None][:size]
