"""What the page shows that takes files and makes batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from shared.protection import Protect
from shared.uploads.uploads import Upload, UploadState

FILES_SHOWN = 12
PREVIEWS = 3
PROTECTIONS = tuple(choice.value for choice in Protect)
GROUNDS = ("keep", "white", "transparent", "colour")


@dataclass(frozen=True)
class StyleChoice:
    """Style that may be chosen; ``thumbnail`` is its picture's address, if it has one."""

    name: str
    title: str
    artist: str
    year: str
    thumbnail: str | None


@dataclass(frozen=True)
class ChosenLook:
    """What the form says, as it was sent. ``share`` is that of the first style in a mix of two.

    ``corrections`` are images for lines of the feed whose own cannot be had.
    """

    styles: Sequence[str] = ()
    mix: bool = False
    share: str = "0.5"
    strength: str = "1"
    texture_scale: str = "1"
    protect: str = "auto"
    white: str = "keep"
    background: str = "keep"
    presets: Sequence[str] = ()
    proof: bool = False
    corrections: Sequence[tuple[int, str]] = ()

    @property
    def query(self) -> str:
        """Return the look as the query of an address."""
        flags = {"mix": str(self.mix).lower(), "proof": str(self.proof).lower()}
        values = {name: value for name, value in self.__dict__.items() if name != "corrections"} | flags
        corrected = {"lines": [line for line, _ in self.corrections], "images": [text for _, text in self.corrections]}
        return urlencode(values | corrected, doseq=True)


@dataclass(frozen=True)
class Trouble:
    """Message that belongs beside a field of a form, or at its top if ``field`` is empty."""

    message: str
    code: str = ""
    field: str = ""


@dataclass(frozen=True)
class BadRowView:
    """Row that would fail."""

    line: int
    sku: str
    message: str
    is_correctable: bool


@dataclass(frozen=True)
class CheckView:
    """What would happen: see ``producer/dry_run.py``."""

    format: str
    rows: int
    products: int
    images: int
    repeated: int
    bad: int
    bad_rows: Sequence[BadRowView]
    warnings: Sequence[str]
    seconds: float | None
    cost: float | None
    sample: bool | None


@dataclass(frozen=True)
class DraftView:
    """Files that were chosen together, what would become of them, and the look that is tried."""

    draft: UUID
    files: Sequence[Upload]
    look: ChosenLook
    styles: Sequence[StyleChoice]
    presets: Sequence[tuple[str, str]]
    pictures: Sequence[str]
    check: CheckView | None
    trouble: Trouble | None = None
    protections: Sequence[str] = field(default=PROTECTIONS)
    grounds: Sequence[str] = field(default=GROUNDS)

    @property
    def unfinished(self) -> Sequence[Upload]:
        """Return the files whose parts have not all arrived."""
        return [upload for upload in self.files if upload.state != UploadState.COMPLETE]

    @property
    def bytes(self) -> int:
        """Return the size of all files together."""
        return sum(upload.bytes for upload in self.files)

    @property
    def shown(self) -> Sequence[Upload]:
        """Return the files to list."""
        return self.files[:FILES_SHOWN]

    @property
    def previews(self) -> Sequence[str]:
        """Return the addresses of previews in the look that is tried."""
        if not self.look.styles or self.check is None:
            return ()
        return [
            f"/upload/{self.draft}/previews/{number}?{self.look.query}"
            for number in range(min(PREVIEWS, self.check.images))
        ]
