"""What encode writes: pixels, the label, and nothing else."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from shared.errors import ImageTooLarge, UsageError
from workers.images.decode import Limits, decode
from workers.images.encode import encode, on_white
from workers.images.label import DIGITAL_SOURCE_TYPE

FORMATS = ("jpeg", "png", "webp")


def picture(width: int = 48, height: int = 32) -> np.ndarray:
    """Smooth and colourful, so that lossy formats keep it well."""
    y, x = np.mgrid[0:height, 0:width]
    ramps = (x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), 255 - x * 255 / max(width - 1, 1))
    return np.stack(ramps, axis=-1).astype(np.uint8)


def reopened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("format", "content_type", "extension"),
    [("jpeg", "image/jpeg", ".jpg"), ("png", "image/png", ".png"), ("webp", "image/webp", ".webp")],
)
def test_each_format_round_trips(format: str, content_type: str, extension: str) -> None:
    encoded = encode(picture(), None, format)

    assert (encoded.content_type, encoded.extension) == (content_type, extension)
    assert (encoded.width, encoded.height) == (48, 32)
    photo = decode(encoded.data, Limits())
    assert photo.source_format == format
    assert np.abs(photo.rgb.astype(int) - picture()).mean() < 5


def test_png_keeps_every_pixel() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8)
    assert np.array_equal(decode(encode(noise, None, "png").data, Limits()).rgb, noise)


@pytest.mark.parametrize("format", FORMATS)
def test_every_rendition_is_labelled_as_made_with_ai(format: str) -> None:
    packet = ElementTree.fromstring(reopened(encode(picture(), None, format).data).info["xmp"])
    name = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    assert [found.text for found in packet.iter(name)] == [DIGITAL_SOURCE_TYPE]


@pytest.mark.parametrize("format", FORMATS)
def test_label_is_the_only_metadata(format: str) -> None:
    image = reopened(encode(picture(), None, format).data)
    assert not image.getexif()
    assert {"exif", "icc_profile", "comment", "photoshop"}.isdisjoint(image.info)


@pytest.mark.parametrize("format", FORMATS)
def test_same_pixels_give_the_same_bytes(format: str) -> None:
    assert encode(picture(), None, format).data == encode(picture(), None, format).data


@pytest.mark.parametrize("format", ["png", "webp"])
def test_alpha_round_trips(format: str) -> None:
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:, :10] = 0
    alpha[:, 10:20] = 128
    photo = decode(encode(picture(), alpha, format).data, Limits())
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, alpha)


def test_jpeg_lays_alpha_on_white() -> None:
    alpha = np.zeros((32, 48), np.uint8)
    photo = decode(encode(np.zeros((32, 48, 3), np.uint8), alpha, "jpeg").data, Limits())
    assert photo.alpha is None
    assert photo.rgb.min() >= 254


def test_on_white_rounds_to_nearest() -> None:
    rgb = np.array([[[0, 100, 255]] * 3], np.uint8)
    mixed = on_white(rgb, np.array([[0, 128, 255]], np.uint8))
    assert mixed.tolist() == [[[255, 255, 255], [127, 177, 255], [0, 100, 255]]]


def test_jpeg_keeps_colour_at_full_resolution() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    photo = decode(encode(stripes, None, "jpeg").data, Limits())
    assert photo.rgb[:, ::2, 0].min() > 200
    assert photo.rgb[:, 1::2, 0].max() < 55


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_lower_quality_makes_smaller_files(format: str) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    small = encode(noise, None, format, quality=40)
    assert len(small.data) < len(encode(noise, None, format, quality=95).data)


@pytest.mark.parametrize("format", FORMATS)
def test_pixels_need_not_lie_in_one_piece(format: str) -> None:
    turned = np.rot90(picture())
    assert encode(turned, None, format).data == encode(turned.copy(), None, format).data


@pytest.mark.parametrize("format", FORMATS)
def test_single_pixel_is_encoded(format: str) -> None:
    assert reopened(encode(picture(1, 1), None, format).data).size == (1, 1)


def test_unknown_format_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="choose jpeg, png, webp"):
        encode(picture(), None, "bmp")


def test_picture_too_wide_for_the_format_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="16383 pixels a side"):
        encode(np.zeros((1, 16_384, 3), np.uint8), None, "webp")
