"""Rule reports of finished files."""

from __future__ import annotations

import numpy as np
import pytest

from shared.presets import Preset, PresetFile
from shared.quality.rule_report import RuleReport
from workers.images.channel_rules import Facts, border_depth, check, white_border
from workers.images.encode import encode

RNG = np.random.default_rng(3)


def report(rgb: np.ndarray, facts: Facts | None = None, **rules: object) -> RuleReport:
    (file,) = Preset("shop", ("400x400",), **rules).files  # type: ignore[arg-type]  # each is a field
    return check(encode(rgb, None, "jpeg").data, file, facts or Facts(styled=False, fill=None))


def broken(rgb: np.ndarray, facts: Facts | None = None, **rules: object) -> list[str]:
    return [result.rule for result in report(rgb, facts, **rules).broken]


def product(ground: int = 255) -> np.ndarray:
    rgb = np.full((400, 400, 3), ground, np.uint8)
    rgb[60:340, 80:320] = RNG.integers(0, 200, (280, 240, 3), np.uint8)
    return rgb


def test_a_file_that_keeps_every_rule_is_published() -> None:
    rules = {"min_side": 400, "max_bytes": 10**6, "min_fill": 0.6, "white_background": True, "no_border": True}
    found = report(product(), Facts(styled=False, fill=0.7), **rules, photograph=True, no_overlay=True)
    assert found.passed
    assert found.reason == ""
    assert [result.passed for result in found.results if result.rule == "overlay"] == [None]
    assert RuleReport.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("rules", "facts", "told"),
    [
        ({"min_side": 400}, Facts(False, None), "shorter side"),
        ({"min_long_side": 400}, Facts(False, None), "longer side"),
        ({"max_side": 399, "sizes": ("400x400",)}, Facts(False, None), "longer side"),
        ({"max_bytes": 1000}, Facts(False, None), "bytes"),
        ({"min_fill": 0.6}, Facts(False, 0.59), "fill"),
        ({"min_fill": 0.6}, Facts(False, None), "fill"),
        ({"photograph": True}, Facts(True, None), "photograph"),
    ],
)
def test_each_broken_rule_is_told(rules: dict[str, object], facts: Facts, told: str) -> None:
    rgb = product() if "max_side" in rules or "max_bytes" in rules else product()[:300, :300]
    assert broken(rgb, facts, **{k: v for k, v in rules.items() if k != "sizes"}) == [told]


def test_a_format_or_shape_that_is_another_is_told() -> None:
    (file,) = Preset("shop", ("400x400",), fit="pad").files
    data = encode(product()[:350], None, "png").data
    assert [result.rule for result in check(data, file, Facts(False, None)).broken] == ["format", "shape"]


def test_advice_keeps_nothing_back() -> None:
    found = report(product(), advised_side=2000)
    assert found.passed
    assert found.results[-2].passed is None or any(result.passed is None for result in found.results)


@pytest.mark.parametrize("ground", [252, 240, 0])
def test_a_ground_that_is_not_pure_white_is_told(ground: int) -> None:
    assert broken(product(ground), white_background=True) == ["white background"]
    assert white_border(product()) == 1.0
    assert white_border(np.full((1, 1, 3), 255, np.uint8)) == 1.0


def test_frames_and_bars_are_borders_and_grounds_are_not() -> None:
    scene = RNG.integers(0, 256, (400, 400, 3), np.uint8)
    framed, bars = scene.copy(), scene.copy()
    framed[:10], framed[-10:], framed[:, :10], framed[:, -10:] = 255, 255, 255, 255
    bars[:, :40], bars[:, -40:] = 0, 0
    assert border_depth(framed) == 10
    assert border_depth(bars) == 40
    for clean in (scene, product(), product(120), np.full((400, 400, 3), 9, np.uint8), scene[:1, :1]):
        assert border_depth(clean) == 0


def test_a_report_names_what_was_found_and_required() -> None:
    (file,) = Preset("shop", ("400x400",), min_side=400).files
    assert isinstance(file, PresetFile)
    assert report(product()[:300], min_side=400).reason == "shorter side: 300, required at least 400"
