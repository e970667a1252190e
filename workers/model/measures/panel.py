"""The frozen panel: the same held-out photos for every generator that is measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import TypeVar

from PIL import Image
from torch import Tensor

from shared.errors import UsageError
from workers.model.dataset import PhotoSet, find_photos, load_image

PANEL_PHOTOS = 20

SMALLEST_SIDE_PX = 48
"""The split is all that is wanted of photos outside the test set; this size makes them quick to read."""


Photo = TypeVar("Photo")


def folder_of(photo: Path) -> Path:
    """Group photos by the folder they lie in."""
    return photo.parent


@dataclass(frozen=True)
class Panel:
    """Photos that no training saw, in an order that depends on their content alone.

    ``data_hash`` names the panel: the contents of its photos and the size they are shown at.
    """

    photos: tuple[Path, ...]
    px: int
    data_hash: str

    @classmethod
    def of(cls, photos: Sequence[Path], px: int) -> Panel:
        """Make a panel of these photos."""
        digests = [_digest(photo) for photo in photos]
        return cls(tuple(photos), px, hashlib.sha256("".join([*digests, str(px)]).encode()).hexdigest())

    def load(self, photo: Path) -> Tensor:
        """Read a photo as float (1, 3, H, W) in [0, 1], its longer side at most ``px``."""
        with Image.open(photo) as image:
            short_px = round(self.px * min(image.size) / max(image.size))
        return load_image(photo, max(1, short_px))[None].float() / 255


def split(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the photos of the test split, in the order of their hashes, and all others.

    Raises UsageError if none falls into the test split.
    """
    test = list(PhotoSet.load(folders, SMALLEST_SIDE_PX).test)
    if not test:
        raise UsageError("no photo falls into the test split, a tenth by content: add photos")
    held_out = {_digest(photo) for photo in test}
    return test, [photo for photo in find_photos(folders) if _digest(photo) not in held_out]


def stratified(photos: Sequence[Photo], size: int, group: Callable[[Photo], Hashable]) -> list[Photo]:
    """Deal ``size`` photos out of their groups in turn, keeping the order within each group.

    A group that has too few leaves its share to the others.
    """
    groups: dict[Hashable, list[Photo]] = {}
    for photo in sorted(photos, key=lambda one: str(group(one))):
        groups.setdefault(group(photo), []).append(photo)
    rounds = zip_longest(*groups.values())
    return [photo for photo in chain.from_iterable(rounds) if photo is not None][:size]


def _digest(photo: Path) -> str:
    return hashlib.sha256(photo.read_bytes()).hexdigest()
