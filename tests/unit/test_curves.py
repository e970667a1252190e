import struct
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from workers.model.learning.curves import COLOURS, HEIGHT_PX, WIDTH_PX, draw_curves, log_ticks, ticks
from workers.model.learning.events import ABSENT, open_events

ENTRIES = [
    {"step": 100 * n, "loss": 20 / n, "seconds": n, "validation": 18 / n, "content": 1.5, "style": 0.9 / n}
    for n in range(1, 6)
]


def columns(picture: Image.Image, colour: str, top: int) -> dict[int, float]:
    """Mean height of a colour in each column of a panel's plot."""
    rgb = ImageColor.getrgb(colour)
    found: dict[int, list[int]] = {}
    for x in range(70, 750):
        for y in range(top, top + HEIGHT_PX):
            if picture.getpixel((x, y)) == rgb:
                found.setdefault(x, []).append(y)
    return {x: sum(ys) / len(ys) for x, ys in found.items()}


def test_curves_fall_where_errors_fall_and_stay_where_they_stay() -> None:
    picture = draw_curves(ENTRIES, 400)
    assert picture.size == (WIDTH_PX, 2 * HEIGHT_PX)
    content, style = (columns(picture, colour, HEIGHT_PX) for colour in COLOURS[:2])
    assert min(style) == pytest.approx(70 + 680 / 5, abs=3), "the first validation is at a fifth of the steps"
    assert max(style) == 749
    assert style[max(style)] > style[min(style)] + 100
    assert abs(content[max(content)] - content[min(content)]) < 3


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), 5e9])
def test_one_validation_of_whatever_size_can_be_drawn(value: float) -> None:
    draw_curves([ENTRIES[0] | {"style": value, "loss": value}], 0)


def test_ticks_are_round_and_few() -> None:
    assert ticks(2500) == [0, 500, 1000, 1500, 2000, 2500]
    assert ticks(7) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert log_ticks(-1.2, 1.1) == pytest.approx([0.1, 1, 10])
    assert log_ticks(0.4, 1.4) == pytest.approx([5, 10, 20])
    assert log_ticks(0.3, 0.42) == pytest.approx([2, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6])


def records(folder: Path) -> list[bytes]:
    """The records of TensorBoard's event files: length, checksum, bytes, checksum."""
    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(data[12 : 12 + length])
            data = data[16 + length :]
    return found


def test_every_figure_of_a_validation_goes_into_the_event_files(tmp_path: Path) -> None:
    told: list[str] = []
    with open_events(tmp_path, 0, told.append) as write:
        for entry in ENTRIES:
            write(entry)
    found = records(tmp_path)
    assert told == []
    for name in ("loss", "validation", "content", "style"):
        assert sum(name.encode() in record for record in found) == len(ENTRIES)
    assert sum(struct.pack("<f", 0.9 / 5) in record for record in found) == 1


def test_without_the_package_training_goes_on_and_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    told: list[str] = []
    with open_events(tmp_path / "events", 0, told.append) as write:
        for entry in ENTRIES:
            write(entry)
    assert told == [ABSENT]
    assert not (tmp_path / "events").exists()
