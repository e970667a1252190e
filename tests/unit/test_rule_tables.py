"""The table that sums up the rule reports of a run."""

from __future__ import annotations

from tests.bench.rule_reports import table


def row(sku: str, rule: str, found: str, passed: str, preset: str = "amazon-main") -> dict[str, str]:
    return {"sku": sku, "preset": preset, "rule": rule, "found": found, "passed": passed}


def test_files_are_counted_by_rule_and_failures_named() -> None:
    rows = [row(sku, "colour", "sRGB", "true") for sku in ("mug", "vase")]
    rows += [row("mug", "fill", "70%", "false"), row("vase", "fill", "90%", "true"), row("vase", "overlay", "?", "")]
    assert list(table(rows))[2:] == ["| `amazon-main` | 2 | colour | fill: 1 (mug 70%) | overlay: 1 |"]


def test_sizes_of_a_preset_are_taken_together_and_one_common_cause_is_told_once() -> None:
    rows = [
        row(sku, rule, "3 × 4", passed, f"instagram.{size}")
        for sku, size in (("mug", "1080x1080"), ("vase", "1080x1350"))
        for rule, passed in (("colour", "true"), ("shape", "false"))
    ]
    assert list(table(rows))[2:] == ["| `instagram` | 2 | colour | shape: 2 (3 × 4) |  |"]
