"""What a new style is learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.models.styles import Style


@dataclass(frozen=True)
class Lesson:
    """A style to learn.

    ``images``    one or several pictures of the style.
    ``merchant``  whose own it will be; None: public.
    ``photos``    folders of photos to practise on; empty: the pictures that the merchant sent before.
    ``vgg``       VGG-19 features: a file, or a URL as in s3://bucket/key; None: where they usually are.
    ``relearns``  a style of that name may exist and gets a newer row.
    ``search``    settings to try, the best of which is kept; 0: the built-in ones alone.
    """

    style: Style
    images: list[Path]
    merchant: str | None
    photos: list[Path]
    vgg: str | None
    steps: int
    relearns: bool
    search: int = 0
