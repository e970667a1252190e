"""Small things that messages say: suggestions, durations, costs and refused numbers."""

from __future__ import annotations

import pytest

from producer.manifest.columns import Columns, require_image_column
from producer.output.amounts import cost_text, duration_text
from shared.errors import ManifestError, UnknownStyle, UsageError
from shared.limits import require_above_zero, require_between
from shared.models.styles import require_styles
from shared.suggestions import did_you_mean


def test_a_misspelt_name_is_suggested() -> None:
    assert did_you_mean("Great Wave", ["great-wave", "udnie"]) == " (did you mean 'great-wave'?)"
    assert did_you_mean("zzz", ["great-wave", "udnie"]) == ""
    with pytest.raises(UnknownStyle, match="did you mean 'udnie'"):
        require_styles(["undie"], ["great-wave", "udnie"])
    names = ["sku", "imgae url"]
    with pytest.raises(ManifestError, match=r"column 'imgae url'.*did you mean"):
        require_image_column("feed.csv", names, Columns.among(names))


def test_no_duration_and_no_cost_is_shown_as_zero() -> None:
    assert [duration_text(seconds) for seconds in (0.0, 1.2, 40.0, 600.0, 12_600.0)] == [
        "less than a second",
        "1 second",
        "40 seconds",
        "10 minutes",
        "3.5 hours",
    ]
    assert [cost_text(cost) for cost in (0.0, 0.0004, 0.25)] == [
        "unknown without ATELIER_GPU_HOUR_PRICE or ATELIER_IMAGE_PRICE",
        "less than 0.01",
        "0.25",
    ]


def test_a_number_of_more_digits_than_python_writes_is_refused_in_one_line() -> None:
    for number in (10**5000, -(10**5000)):
        with pytest.raises(UsageError, match="a number of more than 40 digits"):
            require_between("days", number, 1, 10)
    with pytest.raises(UsageError, match="a number of more than 40 digits"):
        require_above_zero("minutes", 10**5000, 10)
