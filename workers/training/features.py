"""Load the VGG-19 features of a training: from a file, an object store, or torchvision.

--vgg or ATELIER_VGG → ./vgg19.safetensors → ATELIER_HOME/vgg19.safetensors → torchvision's download, normalised by
channel over the available photos and stored as the previous file, so that later figures are comparable.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from http.client import HTTPException
from pathlib import Path

from torch import Tensor
from torchvision.models import VGG19_Weights

from shared.errors import MissingObject, Unavailable, UsageError
from shared.models.training.features_file import FILE, default_files
from shared.settings import Settings
from shared.store import StoreOptions, open_store
from workers.model.dataset import PhotoSet
from workers.model.vgg import Vgg

MOST_PHOTOS = 100
"""Number of photos over which downloaded features are normalised."""


class FeaturesUnavailable(Unavailable):
    """Torchvision's features cannot be downloaded from this machine."""

    code = "features_unavailable"


def load_vgg(place: str | None, settings: Settings, photos: Callable[[], PhotoSet], tell: Callable[[str], None]) -> Vgg:
    """Read the features from a path, ``s3://bucket/key`` or ``file:///path``; with None, from the default places.

    ``photos`` is called only if downloaded features must be normalised.
    Raises UsageError for a missing or foreign file, FeaturesUnavailable.
    """
    at_hand = vgg_at_hand(place, settings)
    if at_hand is not None:
        return at_hand
    stored = settings.home / FILE
    tell("no VGG-19 features found: downloading torchvision's (550 MB)")
    raw = _download()
    chosen = photos().train[:MOST_PHOTOS]
    tell(f"normalising the features over {len(chosen)} photos; storing them as {stored}")
    data = raw.normalised(photo[:3].float() / 255 for photo in chosen).to_bytes()
    stored.parent.mkdir(parents=True, exist_ok=True)
    partial = stored.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(stored)
    return Vgg.from_bytes(data, str(stored))


def vgg_at_hand(place: str | None, settings: Settings) -> Vgg | None:
    """Read the features from ``place`` or the default places; None if no place is given and none has them.

    Raises UsageError for a missing or foreign file.
    """
    place = place or settings.vgg
    if place:
        return _named(place, settings.store_options)
    paths = default_files(settings)
    return Vgg.load(paths[0]) if paths else None


def _named(place: str, options: StoreOptions) -> Vgg:
    if "://" not in place:
        return Vgg.load(Path(place))
    folder, _, name = place.rpartition("/")
    try:
        return Vgg.from_bytes(open_store(folder, options).get(name), place)
    except MissingObject as error:
        raise UsageError(f"no VGG-19 features at {place}: set ATELIER_VGG or --vgg") from error


def _download() -> Vgg:
    """Download torchvision's weights into its own cache (TORCH_HOME), or read them from there."""
    with (
        _reachable(),
        redirect_stdout(sys.stderr),
    ):  # torch announces the download on standard output, which is for data
        # Torchvision offers only a pickle. It is read with weights_only: tensors, and no code.
        weights: dict[str, Tensor] = VGG19_Weights.IMAGENET1K_V1.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
        return Vgg.from_weights(weights)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise FeaturesUnavailable(
            f"no VGG-19 features: --vgg and ATELIER_VGG are not set, there is no {FILE} here, and torchvision's "
            f"{VGG19_Weights.IMAGENET1K_V1.url} cannot be downloaded ({error}): set ATELIER_VGG or --vgg to a "
            "safetensors file or its object-store URL, or try again where the network reaches that address"
        ) from error
