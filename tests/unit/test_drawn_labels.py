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
    rows = np.cumsum([270] + [height + 75 for height in HEIGHTS_PX[:-1]]) + np.array(HEIGHTS_PX) // 2
    assert (lettering[rows, 460:540].mean(axis=1) > 0.9).all()
    assert lettering[:, :200].sum() == 0, "and nothing beside the package"
