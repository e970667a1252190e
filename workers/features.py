"""Where the VGG-19 features of a training come from: a file, an object of some store, or torchvision.

--vgg or ATELIER_VGG → ./vgg19.safetensors → ATELIER_HOME/vgg19.safetensors → torchvision's download,
channel-normalised over the photos at hand and kept as the file before, so that later figures compare.
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
from shared.settings import Settings
from shared.store import StoreOptions, open_store
from workers.model.dataset import PhotoSet
from workers.model.vgg import Vgg

FILE = "vgg19.safetensors"
MOST_PHOTOS = 100
"""Photos over which downloaded features are normalised."""


class FeaturesUnavailable(Unavailable):
    """Torchvision's features cannot be downloaded from here."""

    code = "features_unavailable"


def load_vgg(place: str | None, settings: Settings, photos: Callable[[], PhotoSet], tell: Callable[[str], None]) -> Vgg:
    """Read the features from a path, ``s3://bucket/key`` or ``file:///path``; with None, from where they usually are.

    ``photos`` is asked only where downloaded features must be normalised.
    Raises UsageError for what is missing or foreign, FeaturesUnavailable.
    """
    at_hand = vgg_at_hand(place, settings)
    if at_hand is not None:
        return at_hand
    kept = settings.home / FILE
    tell("no VGG-19 features here: downloading torchvision's (550 MB)")
    raw = _download()
    chosen = photos().train[:MOST_PHOTOS]
    tell(f"normalising the features over {len(chosen)} photos; kept as {kept}")
    data = raw.normalised(photo[:3].float() / 255 for photo in chosen).to_bytes()
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(kept)
    return Vgg.from_bytes(data, str(kept))


def vgg_at_hand(place: str | None, settings: Settings) -> Vgg | None:
    """Read the features from ``place``, or from where they usually are; None where nothing is named nor found.

    Raises UsageError for what is missing or foreign.
    """
    place = place or settings.vgg
    if place:
        return _named(place, settings.store_options)
    found = [path for path in (Path(FILE), settings.home / FILE) if path.is_file()]
    return Vgg.load(found[0]) if found else None


def _named(place: str, options: StoreOptions) -> Vgg:
    if "://" not in place:
        return Vgg.load(Path(place))
    folder, _, name = place.rpartition("/")
    try:
        return Vgg.from_bytes(open_store(folder, options).get(name), place)
    except MissingObject as error:
        raise UsageError(f"no VGG-19 features at {place}: set ATELIER_VGG or --vgg") from error


def _download() -> Vgg:
    """Fetch torchvision's weights into its own cache (TORCH_HOME), or take them from there."""
    with _reachable(), redirect_stdout(sys.stderr):  # torch announces the download where our data goes
        # Torchvision has no other format than a pickle: only its tensors are read, nothing in it is run.
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
            f"{VGG19_Weights.IMAGENET1K_V1.url} cannot be had ({error}): set ATELIER_VGG or --vgg to a safetensors "
            "file or its object-store URL, or try again where the network reaches that address"
        ) from error
