"""How much of the lettering on products can still be read after painting. Run it as

    python -m tests.bench.lettering [PHOTO…] [--styles NAME…] [--pictures FOLDER]

It needs ``rapidocr-onnxruntime``, which is no dependency of this project. It reads drawn packages (``labels.py``) and
photos, by default the sample products, before and after painting, without protection and with what paintings have by
default. A string counts where the reader is sure of it in the photo, with at least three letters or digits; it reads
the same where the reader is as sure at its place in the rendition, of the same letters and digits. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from shared.settings import Settings
from tests.bench.installation import ROOT
from tests.bench.labels import packages
from tests.bench.protection import Composed, Costs, Paint, built_in_painter, composed
from tests.bench.results import write_results

Pixels = npt.NDArray[np.uint8]

SURE = 0.8
"""Score from which a reading counts: texture gives glyphs at .5 to .7."""

LEAST_LETTERS = 3

STYLES = ("starry-night", "great-wave", "udnie", "the-scream", "composition-vii", "mondrian-tableau")

HEIGHT_BANDS = (0, 16, 24, 40, 10_000)
"""Heights of lines in pixels between which strings are counted apart."""


@dataclass(frozen=True)
class Line:
    """A line of text as read in a photo: its letters and digits, and its box in pixels."""

    text: str
    left: int
    top: int
    right: int
    bottom: int


class Reader:
    """OCR with one thread, for uint8 (H, W, 3) RGB. Raises ImportError if the package is not installed."""

    def __init__(self) -> None:
        module = importlib.import_module("rapidocr_onnxruntime")
        self._engine = module.RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)

    def lines(self, photo: Pixels) -> list[Line]:
        """Find the level lines of a photo of which the reader is sure."""
        found, _ = self._engine(np.ascontiguousarray(photo[..., ::-1]), use_cls=False)
        lines = []
        for corners, text, score in found or ():
            left, top, right, bottom = _box(corners)
            if float(score) >= SURE and len(_letters(text)) >= LEAST_LETTERS and right - left > bottom - top:
                lines.append(Line(_letters(text), left, top, right, bottom))
        # Whether a line is the same is asked of its box alone, so in the photo, too.
        return [line for line in lines if self.read(photo, line) == line.text]

    def read(self, rgb: Pixels, line: Line) -> str:
        """Read what stands at the place of a line; empty where the reader is not sure."""
        part = rgb[max(line.top, 0) : line.bottom, max(line.left, 0) : line.right, ::-1]
        found, _ = self._engine(np.ascontiguousarray(part), use_det=False, use_cls=False)
        text, score = found[0][:2] if found else ("", 0.0)
        return _letters(text) if float(score) >= SURE else ""


def _box(corners: object) -> tuple[int, int, int, int]:
    x, y = np.array(corners, float).T
    return round(x.min()), round(y.min()), round(x.max()), round(y.max())


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


@dataclass
class Counts:
    """Strings read in photos, and read the same in renditions, by group."""

    strings: Counter[str]
    same: Counter[str]

    def shares(self) -> dict[str, str]:
        """Return the share of strings that read the same, and how many there are, by group."""
        return {group: f"{self.same[group] / count:.3f} of {count}" for group, count in sorted(self.strings.items())}


def measure_photo(
    name: str, encoded: bytes, reader: Reader, paint: Paint, styles: Sequence[str], working_px: int
) -> Iterator[tuple[Composed, dict[str, list[tuple[Line, bool]]]]]:
    """Yield a photo's renditions, and for each version its strings, and whether each it reads the same."""
    known: list[Line] | None = None
    for one in composed(encoded, styles, paint, working_px, Costs()):
        if known is None:
            known = reader.lines(one.photo)
        if not known:
            return
        result = {}
        for version, rgb in (("unprotected", one.unprotected), ("protected", one.protected)):
            result[version] = [(line, reader.read(rgb, line) == line.text) for line in known]
        missed = [line.text for line, same in result["protected"] if not same]
        sys.stderr.write(f"{name} {one.style}: {len(known)} strings, protected misses {missed}\n")
        yield one, result


def run(
    photos: Sequence[Path], styles: Sequence[str], working_px: int, reader: Reader, pictures: Path | None = None
) -> dict[str, object]:
    """Paint, read and count; with a folder, leave photo and renditions side by side in it."""
    torch.set_num_threads(1)
    paint, _ = built_in_painter()
    counts = {version: Counts(Counter(), Counter()) for version in ("unprotected", "protected")}
    given = [(name, encoded, "drawn") for name, encoded in packages()]
    given += [(path.stem, path.read_bytes(), "photos") for path in photos]
    for name, encoded, kind in given:
        for one, strings in measure_photo(name, encoded, reader, paint, styles, working_px):
            for version, found in strings.items():
                for line, same in found:
                    for group in (kind, f"{kind}, {one.style}", f"{kind}, {_band(line)}"):
                        counts[version].strings[group] += 1
                        counts[version].same[group] += same
            if pictures:
                sheet = np.concatenate((one.photo, one.unprotected, one.protected), axis=1)
                Image.fromarray(sheet).save(pictures / f"{name}-{one.style}.jpg", quality=88)
    return {"styles": list(styles), "working_px": working_px} | {
        version: count.shares() for version, count in counts.items()
    }


def _band(line: Line) -> str:
    height = line.bottom - line.top
    band = next(i for i in range(len(HEIGHT_BANDS) - 1) if height < HEIGHT_BANDS[i + 1])
    return ("line below 16 px", "line of 16 to 24 px", "line of 24 to 40 px", "line above 40 px")[band]


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    samples = sorted(path for path in (ROOT / "samples" / "photos").iterdir() if path.suffix in {".jpg", ".png"})
    parser.add_argument("photos", nargs="*", type=Path, default=samples)
    parser.add_argument("--styles", nargs="*", default=STYLES)
    parser.add_argument("--working-px", type=int, default=Settings().working_px)
    parser.add_argument("--pictures", type=Path, help="folder for sheets: photo, without protection, with it")
    given = parser.parse_args()
    try:
        reader = Reader()
    except ImportError:
        raise SystemExit("This bench reads with rapidocr-onnxruntime, which is not installed here.") from None
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    write_results("lettering", run(given.photos, given.styles, given.working_px, reader, given.pictures))


if __name__ == "__main__":
    main()
