"""Request to learn a new style."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.merchants.actors import Actor
from shared.models.styles import Style


@dataclass(frozen=True)
class StyleRequest:
    """Style to learn, and what to learn it from.

    ``images``    one or several pictures of the style.
    ``actor``     who asks; the style is the actor's merchant's own, or public where the actor names none.
    ``photos``    folders of training photos; empty uses the pictures that the merchant has sent.
    ``vgg``       VGG-19 features: a file, or a URL such as s3://bucket/key; None uses the default place.
    ``relearns``  allows a newer vector for an existing style of that name.
    ``search``    number of settings to try, of which the best is kept; 0 uses the built-in ones only.
    """

    style: Style
    images: list[Path]
    actor: Actor
    photos: list[Path]
    vgg: str | None
    steps: int
    relearns: bool
    search: int = 0
