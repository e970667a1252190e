"""The photos of packages with which the bench of lettering measures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.bench.labels import HEIGHTS_PX, PACKAGES, packages
from workers.images.lettering import lettering_mask


def test_there_are_forty_strings_of_four_heights() -> None:
    assert sum(len(strings) for _, _, strings in PACKAGES) == 40
    assert (max(HEIGHTS_PX), min(HEIGHTS_PX)) == (60, 16)


@pytest.mark.parametrize("name", ["alpina", "garden"])
def test_all_lines_of_a_package_are_found_as_lettering(name: str) -> None:
    file = dict(packages())[name]
    lettering = lettering_mask(np.asarray(Image.open(io.BytesIO(file)))) > 127
    in_line = lettering[:, 420:580].any(axis=1)
    lines = np.flatnonzero(np.diff(in_line.astype(int)) == 1)
    assert len(lines) == len(HEIGHTS_PX)
    assert lettering[:, :200].sum() == 0, "and nothing beside the package"
