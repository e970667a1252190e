"""Presets: the channels' own, a merchant's, and what contradicts itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from producer.preset_file import read_preset
from shared.errors import UsageError
from shared.preset_files import feed_labels, label_of, output_name
from shared.presets import Preset, channel_presets, preset_row

SMALL = Preset("shop", ("1200x1200",))


@pytest.mark.parametrize("preset", channel_presets().values(), ids=lambda preset: preset.name)
def test_each_channel_names_its_page_and_comes_back_from_json(preset: Preset) -> None:
    assert preset.title
    assert preset.source.startswith("https://")
    assert Preset.from_json(json.loads(json.dumps(preset.to_json()))) == preset
    labels = [file.label for file in preset.files]
    assert len(set(labels)) == len(labels)
    assert preset.otherwise is None or preset.otherwise in channel_presets()


def test_a_changed_rule_changes_the_key_and_a_title_does_not() -> None:
    (key,) = (file.key for file in SMALL.files)
    assert [file.key for file in replace(SMALL, title="Our shop").files] == [key]
    assert [file.key for file in replace(SMALL, max_bytes=50_000).files] != [key]
    assert label_of(key) == "shop"


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"sizes": ["0x1200"]}, "out of range"),
        ({"sizes": ["1000000000x1000000000"]}, "out of range"),
        ({"sizes": ["16000x16000"]}, "too large"),
        ({"sizes": ["big"]}, "is not one"),
        ({"sizes": []}, "at least one"),
        ({"sizes": "1200x1200"}, "list of texts"),
        ({"sizes": [1200]}, "list of texts"),
        ({"sizes": ["900x900", "900x900"]}, "each once"),
        ({"sizes": ["960w"], "fit": "pad"}, "has no canvas"),
        ({"sizes": ["500x500"], "min_side": 501}, "below its own minimum"),
        ({"sizes": ["500x500"], "fit": "pad", "max_side": 400}, "above its own maximum"),
        ({"sizes": ["900w"], "min_side": 900, "max_side": 100}, "could keep both"),
        ({"sizes": ["500x500"], "fit": "crop", "fill": 0.5, "min_fill": 0.9}, "below min_fill"),
        ({"sizes": ["500x500"], "max_bytes": 0}, "max_bytes is 0"),
        ({"sizes": ["500x500"], "enlarge": 1e9}, "enlarge is"),
        ({"sizes": ["500x500"], "max_bytes": 1.5}, "whole number"),
        ({"sizes": ["500x500"], "min_side": True}, "whole number"),
        ({"sizes": ["500x500"], "photograph": 1}, "true or false"),
        ({"sizes": ["500x500"], "formats": ["gif"]}, "unknown"),
        ({"sizes": ["500x500"], "fit": "stretch"}, "unknown"),
        ({"sizes": ["500x500"], "colour": "red"}, "no field 'colour'"),
        ({"title": "none"}, "needs its sizes"),
    ],
)
def test_rules_that_no_file_could_keep_are_refused_in_one_line(
    rules: dict[str, Any], told: str, tmp_path: Path
) -> None:
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    with pytest.raises(UsageError, match=told) as caught:
        read_preset("shop", tmp_path / "rules.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"sizes": NaN}', b"[" * 60_000, b"x" * 70_000])
def test_a_file_that_is_no_preset_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_bytes(content)
    with pytest.raises(UsageError):
        read_preset("shop", tmp_path / "rules.json")


def test_what_show_prints_can_be_added(tmp_path: Path) -> None:
    shopify = channel_presets()["shopify"]
    (tmp_path / "rules.json").write_text(json.dumps(preset_row(shopify)))
    assert read_preset("shop", tmp_path / "rules.json").max_bytes == shopify.max_bytes


def test_each_preset_of_a_channel_has_a_folder_and_plain_formats_alone_have_none() -> None:
    assert output_name("a/mug", "jpeg", ".jpg", ["jpeg"]) == "a/mug.jpg"
    assert output_name("a/mug", "jpeg", ".jpg", ["jpeg", "web"]) == "jpeg/a/mug.jpg"
    assert output_name("a/mug", "web.960w.avif", ".avif", ["jpeg", "web"]) == "web/960w/a/mug.avif"


def test_a_feed_names_the_largest_jpeg_and_what_takes_a_refused_picture() -> None:
    rules = channel_presets()
    assert feed_labels(["web", "amazon-main"], rules) == ("web.1600w.jpeg",)
    both = ["amazon-main", "amazon-additional"]
    assert feed_labels(both, rules) == ("amazon-main", "amazon-additional")
    assert feed_labels(["jpeg"], {}) == ("jpeg",)
    with pytest.raises(UsageError, match="not made for"):
        feed_labels(["jpeg"], {}, "shopify")


def test_presets_that_name_each_other_end_the_search_for_a_feed_s_file() -> None:
    rules = {"a": replace(SMALL, name="a", otherwise="b"), "b": replace(SMALL, name="b", otherwise="a")}
    assert feed_labels(("a", "b"), rules) == ("a", "b")
    with pytest.raises(UsageError, match="names the preset itself"):
        replace(SMALL, otherwise=SMALL.name)


@pytest.mark.parametrize("rule", [{"fill": 10**400}, {"max_megapixels": -(10**400)}, {"sizes": ("١٢x10",)}])
def test_numbers_that_no_picture_has_are_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(SMALL, **rule)
