import numpy as np
import pytest
from PIL import Image

from workers.images.resize import resize

KERNELS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(31, 47), (150, 90), (300, 40)])
def test_a_picture_comes_out_as_from_pillow_to_within_a_rounding(kernel: str, size: tuple[int, int]) -> None:
    y, x = np.mgrid[0:64, 0:100]
    pixels = np.stack([127 + 120 * np.sin(x / 7), 127 + 120 * np.cos(y / 5), x + y], axis=2).astype(np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize(size, KERNELS[kernel])).astype(int)
    resized = resize(pixels, size, kernel)  # type: ignore[arg-type]
    assert resized.flags.c_contiguous
    assert np.abs(resized.astype(int) - expected).max() <= 2


def test_a_read_only_picture_is_resized_and_one_of_the_right_size_returned_as_it_is() -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels.flags.writeable = False
    assert resize(pixels, (10, 10), "lanczos").shape == (10, 10, 3)
    assert resize(pixels, (30, 20), "bicubic") is pixels
