"""Where the VGG-19 features lie that training needs, which are too large to be part of the package."""

from __future__ import annotations

from pathlib import Path

from shared.settings import Settings

FILE = "vgg19.safetensors"


def default_files(settings: Settings) -> list[Path]:
    """Return the files of features that there are in the default places, the first to be used first."""
    return [path for path in (Path(FILE), settings.home / FILE) if path.is_file()]


def are_at_hand(settings: Settings) -> bool:
    """Return whether a trainer could begin without a download."""
    return settings.vgg is not None or bool(default_files(settings))
