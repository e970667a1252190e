"""Presets: what files a rendition becomes, and the rules of the channel that they must keep.

``jpeg``, ``png`` and ``webp`` write the rendition as it is, in that format. Every other preset is data: those of the
channels are in ``presets.toml``, and a merchant's own are in Postgres. A preset gives one file for each of its sizes
and formats, and the key of each file's rendition has the hash of the preset in it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

from shared.errors import UsageError

EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
"""File extension of a rendition, by plain preset."""

FORMAT_EXTENSIONS = {**EXTENSIONS, "avif": ".avif"}
"""File extension, by format of a preset's file."""

WITHOUT_ALPHA = ("jpeg",)
"""Formats that have no transparency."""

DEFAULT_PRESETS = ("jpeg",)

MAKING = 1
"""Increase it when the same rules would give other files, other product masks included: they are then made again."""

MOST_PRESETS = 16
"""Presets that one batch may name."""

UNPUBLISHED = "unpublished"
"""Folder of the files that break a rule of their channel."""

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
FITS = ("whole", "pad", "crop")
BACKGROUNDS = ("keep", "white")

_SIZE = re.compile(r"(\d{1,12})(?:x(\d{1,12})|w)", re.ASCII)
_MOST_SIDE, _MOST_PIXELS, _MOST_FILES = 16_000, 25_000_000, 24


@dataclass(frozen=True)
class Size:
    """A size as written, ``2048x2048`` or ``960w``; ``height`` is None where the photo's shape decides it."""

    text: str
    width: int
    height: int | None

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse a size. Raises UsageError."""
        match = _SIZE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise UsageError(f"size {text!r} is not one: write 2048x2048, or 960w for a width in the photo's shape")
        width, height = int(match[1]), int(match[2]) if match[2] else None
        if not 1 <= width <= _MOST_SIDE or not 1 <= (height or 1) <= _MOST_SIDE:
            raise UsageError(f"size {text!r} is out of range: a side has 1 to {_MOST_SIDE:,} pixels")
        if width * (height or 1) > _MOST_PIXELS:
            raise UsageError(f"size {text!r} is too large: a picture has at most {_MOST_PIXELS / 1e6:g} megapixels")
        return cls(match[0], width, height)


@dataclass(frozen=True)
class Preset:
    """A channel's preset. What decides the files comes first, then the rules that a finished file is checked by.

    ``sizes``             each ``2048x2048``, a canvas (at most so large where ``fit`` is ``whole``), or ``960w``, at
                          most that wide in the photo's shape.
    ``formats``           ``jpeg``, ``png``, ``webp``, ``avif``: each size is written in each of them.
    ``fit``               ``whole``: the whole photo; ``pad``: the product on a canvas; ``crop``: the canvas filled,
                          around the product.
    ``fill``              share of the canvas that the product's longer side is given with ``pad`` and ``crop``.
    ``background``        ``keep``, or ``white``: a plain background becomes pure white.
    ``enlarge``           how much a photo may be enlarged, 1 to 4. A smaller photo gives a smaller file.
    ``min_side``          shorter side in pixels, at least; ``min_long_side``: longer side; ``max_side``: longer side.
    ``advised_side``      shorter side that the channel advises: a smaller one is told, and published.
    ``max_megapixels``, ``max_bytes``
    ``min_fill``          the product's longer extent, as a share of the canvas.
    ``white_background``  the border is pure white.
    ``photograph``        no styled picture; ``otherwise`` names the preset that takes those.
    ``no_border``, ``no_overlay``   no frame around the picture; no text or logo laid over it.
    """

    name: str
    sizes: tuple[str, ...]
    formats: tuple[str, ...] = ("jpeg",)
    fit: str = "whole"
    fill: float = 0.85
    background: str = "keep"
    enlarge: float = 1.0
    min_side: int | None = None
    min_long_side: int | None = None
    advised_side: int | None = None
    max_side: int | None = None
    max_megapixels: float | None = None
    max_bytes: int | None = None
    min_fill: float | None = None
    white_background: bool = False
    photograph: bool = False
    no_border: bool = False
    no_overlay: bool = False
    title: str = ""
    source: str = ""
    otherwise: str | None = None

    def __post_init__(self) -> None:
        check_preset_name(self.name)
        problem = next(_problems(self), None)
        if problem is not None:
            raise UsageError(f"preset {self.name!r}: {problem}", code="bad_preset")

    @cached_property
    def sha256(self) -> str:
        """Return the hash (hex) of what decides files and report. Titles and addresses do not."""
        parts = {name: value for name, value in self.to_json().items() if name not in ("title", "source")}
        return hashlib.sha256(json.dumps([MAKING, parts], sort_keys=True).encode()).hexdigest()

    @property
    def files(self) -> Iterator[PresetFile]:
        """Yield the files that a rendition becomes."""
        for size in map(Size.parse, self.sizes):
            for format in self.formats:
                yield PresetFile(self, size, format)

    def to_json(self) -> dict[str, Any]:
        """Return the preset as plain data, without what is as by default."""
        written = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                written[field.name] = list(value) if isinstance(value, tuple) else value
        return written

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain data. Raises UsageError, which names what is missing, unknown or contradictory."""
        unknown = sorted(set(data) - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise UsageError(f"a preset has no field {unknown[0]!r}: choose among {known}", code="bad_preset")
        if not isinstance(data.get("name"), str) or "sizes" not in data:
            raise UsageError('a preset needs its sizes, as in "sizes": ["1200x1200"]', code="bad_preset")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**values)


@dataclass(frozen=True)
class PresetFile:
    """One file of a preset. ``label`` names it among the files of a job, as in ``shopify`` or ``web.960w.avif``."""

    preset: Preset
    size: Size
    format: str

    @property
    def label(self) -> str:
        """Return the preset's name, with size and format where there are several."""
        return ".".join((self.preset.name, *self._parts))

    @property
    def _parts(self) -> Iterator[str]:
        if len(self.preset.sizes) > 1:
            yield self.size.text
        if len(self.preset.formats) > 1:
            yield self.format

    @property
    def key(self) -> str:
        """Return what stands for the file in its rendition's key: its label and the hash of its preset."""
        return f"{self.label}@{self.preset.sha256[:16]}"


def preset_row(preset: Preset | str) -> dict[str, Any]:
    """Return a preset, or a plain format, as lists show it: everything that is not as by default."""
    if isinstance(preset, str):
        title = f"The rendition as it is, as {preset.upper() if preset != 'webp' else 'WebP'}"
        return {"name": preset, "title": title, "sizes": ["photo"], "formats": [preset]}
    order = ("name", "title", "source", "sizes", "formats")
    row = {"title": preset.title, "formats": list(preset.formats)} | preset.to_json() | {"sha256": preset.sha256}
    return {field: row[field] for field in order if field in row} | row


def require_presets(presets: Collection[str]) -> None:
    """Raise UsageError if there are no presets, too many, one that cannot be a name, or a repeated one."""
    if not presets:
        raise UsageError(f"no preset is given: choose {', '.join(EXTENSIONS)}, or one of `atelier presets list`")
    if len(presets) > MOST_PRESETS:
        raise UsageError(f"{len(presets)} presets are given: a batch has at most {MOST_PRESETS}")
    for preset in presets:
        check_preset_name(preset)
    if len(set(presets)) != len(presets):
        raise UsageError("a preset is given twice: name each once")


def require_alpha(backgrounds: Iterable[str], presets: Collection[str]) -> None:
    """Raise UsageError if a product is to be cut out for a format without transparency."""
    opaque = [preset for preset in presets if preset in WITHOUT_ALPHA]
    if opaque and "transparent" in backgrounds:
        raise UsageError(
            f"format {opaque[0]} has no transparency: choose --format png or webp, or --background white",
            code="needs_transparency",
        )


def check_preset_name(name: str) -> None:
    """Raise UsageError if a name is not valid for a preset."""
    if not NAME.fullmatch(name) or name == UNPUBLISHED:
        raise UsageError(f"preset {name!r}: use 1 to 40 lower-case letters, digits and dashes, as in my-shop")


@cache
def channel_presets() -> Mapping[str, Preset]:
    """Return the presets of ``presets.toml`` by name."""
    data = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return {name: Preset.from_json({"name": name, **rules}) for name, rules in data.items()}


def _problems(preset: Preset) -> Iterator[str]:
    """Yield what is wrong with a preset, types first, since whatever else looks at values."""
    yield from _wrong_types(preset)
    sizes = [Size.parse(size) for size in preset.sizes]
    for what, values in (("sizes", preset.sizes), ("formats", preset.formats)):
        if not values or len(set(values)) != len(values):
            yield f"{what} must name at least one, and each once"
    if unknown := [format for format in preset.formats if format not in FORMAT_EXTENSIONS]:
        yield f"format {unknown[0]!r} is unknown: choose {', '.join(FORMAT_EXTENSIONS)}"
    if len(sizes) * len(preset.formats) > _MOST_FILES:
        yield f"it gives {len(sizes) * len(preset.formats)} files for each picture: at most {_MOST_FILES} are allowed"
    if preset.fit not in FITS:
        yield f"fit {preset.fit!r} is unknown: choose {', '.join(FITS)}"
    if preset.background not in BACKGROUNDS:
        yield f"background {preset.background!r} is unknown: choose {' or '.join(BACKGROUNDS)}"
    if preset.fit != "whole" and any(size.height is None for size in sizes):
        yield f'fit "{preset.fit}" needs sizes such as 1200x1200: a width alone has no canvas'
    yield from _contradictions(preset, sizes)


_KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "tuple[str, ...]": (
        "a list of texts",
        lambda value: isinstance(value, tuple) and all(isinstance(item, str) for item in value),
    ),
    "str": (
        "a short text",
        lambda value: isinstance(value, str) and len(value) <= 500 and value.isprintable(),
    ),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "float": (
        "a number",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf,
    ),
    "int": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
}


def _wrong_types(preset: Preset) -> Iterator[str]:
    for field in fields(preset):
        value = getattr(preset, field.name)
        kind, is_valid = _KINDS[str(field.type).removesuffix(" | None")]
        if value is not field.default and not is_valid(value):
            yield f"{field.name} must be {kind}"


_RANGES = {
    "fill": (0.1, 1.0), "min_fill": (0.1, 1.0), "enlarge": (1.0, 4.0), "min_side": (1, _MOST_SIDE),
    "min_long_side": (1, _MOST_SIDE), "advised_side": (1, _MOST_SIDE), "max_side": (1, 10**6),
    "max_megapixels": (0.001, 1000.0), "max_bytes": (1_000, 10**9),
}  # fmt: skip


def _contradictions(preset: Preset, sizes: Collection[Size]) -> Iterator[str]:
    """Yield rules that are out of range, or that no file could keep."""
    for name, (least, most) in _RANGES.items():
        value = getattr(preset, name)
        if value is not None and not least <= value <= most:
            yield f"{name} is {value}: it must be from {least:,} to {most:,}"
    for size in sizes:
        if size.height is None:
            continue
        short, long = sorted((size.width, size.height))
        if (preset.min_side or 0) > short or (preset.min_long_side or 0) > long:
            yield f"size {size.text} is below its own minimum: no file could keep the rules"
        if preset.fit != "whole" and (
            long > (preset.max_side or long) or short * long > 1e6 * (preset.max_megapixels or 1e6)
        ):
            yield f"size {size.text} is above its own maximum: no file could keep the rules"
    if preset.otherwise == preset.name:
        yield "otherwise names the preset itself: name another one"
    if (preset.min_side or 0) > (preset.max_side or _MOST_SIDE):
        yield f"min_side {preset.min_side} is above max_side {preset.max_side}: no file could keep both"
    if preset.min_fill is not None and preset.fit != "whole" and preset.fill < preset.min_fill:
        yield f"fill {preset.fill} is below min_fill {preset.min_fill}: no file could keep the rule"
