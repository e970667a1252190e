"""Where the VGG-19 features of a training come from: a file, or an object of some store."""

from __future__ import annotations

from pathlib import Path

from shared.errors import MissingObject, UsageError
from shared.store import StoreOptions, open_store
from workers.model.vgg import Vgg


def load_vgg(place: str, options: StoreOptions) -> Vgg:
    """Read the features from a path, ``s3://bucket/key`` or ``file:///path``. Raises UsageError."""
    if "://" not in place:
        return Vgg.load(Path(place))
    folder, _, name = place.rpartition("/")
    try:
        return Vgg.from_bytes(open_store(folder, options).get(name), place)
    except MissingObject as error:
        raise UsageError(f"no VGG-19 features at {place}: set ATELIER_VGG or --vgg") from error
