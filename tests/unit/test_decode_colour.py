"""Colour spaces, profiles, bit depths and alpha, each brought to 8-bit sRGB."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from tests.picture_files import SRGB_COLORANTS, profile
from workers.images.decode import Limits, Photo, decode

Xyz = tuple[float, float, float]

RED, GREEN, BLUE = SRGB_COLORANTS


def read(image: Image.Image | np.ndarray, format: str, **options: object) -> Photo:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return decode(buffer.getvalue(), Limits())


def xyz(values: Xyz) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">lll", *(round(value * 65536) for value in values))


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">LH", 1, round(value * 256))


def rgb_profile(red: Xyz, green: Xyz, blue: Xyz, exponent: float = 2.2) -> bytes:
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(exponent))
    return profile(b"RGB ", {b"rXYZ": xyz(red), b"gXYZ": xyz(green), b"bXYZ": xyz(blue), **curves})


def cmyk_profile_of_one_colour(lightness: int) -> bytes:
    """A CMYK profile that shows every ink as the same grey: a table of 2⁴ corners in Lab."""
    identity = struct.pack(">9l", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256))
    table = bytes((lightness, 128, 128)) * 16
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + ramp * 4 + table + ramp * 3
    return profile(b"CMYK", {b"A2B0": lut}, kind=b"prtr", pcs=b"Lab ")


def near(photo: Photo, colour: tuple[int, int, int], tolerance: int = 3) -> bool:
    return bool(np.abs(photo.rgb.astype(int) - colour).max() <= tolerance)


def png(bit_depth: int, colour_type: int, row: bytes, width: int, trns: bytes = b"") -> bytes:
    """A one-row PNG of a kind that Pillow cannot write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))

    header = struct.pack(">LLBBBBB", width, 1, bit_depth, colour_type, 0, 0, 0)
    middle = chunk(b"tRNS", trns) if trns else b""
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + middle + pixels + chunk(b"IEND", b"")


def test_embedded_profile_is_converted_to_srgb() -> None:
    swapped = rgb_profile(GREEN, RED, BLUE)
    photo = read(Image.new("RGB", (8, 8), (255, 0, 0)), "PNG", icc_profile=swapped)
    assert near(photo, (0, 255, 0))


def test_wide_gamut_red_is_more_saturated_than_srgb_can_show() -> None:
    wide = rgb_profile((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
    photo = read(Image.new("RGB", (8, 8), (200, 100, 100)), "JPEG", quality=100, icc_profile=wide)
    red, green, _ = photo.rgb[4, 4].astype(int)
    assert red > 210
    assert green < 97


def test_linear_profile_brightens_the_middle() -> None:
    photo = read(Image.new("RGB", (8, 8), (128, 128, 128)), "PNG", icc_profile=rgb_profile(RED, GREEN, BLUE, 1.0))
    assert near(photo, (188, 188, 188))


def test_srgb_profile_changes_no_pixel() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(read(pixels, "PNG", icc_profile=srgb).rgb, pixels)


@pytest.mark.parametrize("broken", [b"nonsense", b"\0" * 200, rgb_profile(RED, GREEN, BLUE)[:150]])
def test_broken_profile_is_taken_for_srgb(broken: bytes) -> None:
    assert near(read(Image.new("RGB", (8, 8), (10, 200, 30)), "PNG", icc_profile=broken), (10, 200, 30), 0)


def test_profile_for_another_kind_of_image_is_ignored() -> None:
    grey = profile(b"GRAY", {b"kTRC": gamma(1.0)})
    assert near(read(Image.new("RGB", (8, 8), (10, 200, 30)), "PNG", icc_profile=grey), (10, 200, 30), 0)


def test_grey_profile_is_converted() -> None:
    grey = profile(b"GRAY", {b"kTRC": gamma(1.0)})
    assert near(read(Image.new("L", (8, 8), 128), "PNG", icc_profile=grey), (188, 188, 188))


def test_grey_image_with_rgb_profile_is_converted() -> None:
    linear = rgb_profile(RED, GREEN, BLUE, 1.0)
    assert near(read(Image.new("L", (8, 8), 128), "JPEG", icc_profile=linear), (188, 188, 188))


def test_cmyk_profile_is_converted() -> None:
    icc = cmyk_profile_of_one_colour(128)
    photo = read(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", icc_profile=icc)
    assert near(photo, (119, 119, 119), 4)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("inks", "colour"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
    ],
)
def test_cmyk_without_profile_is_not_inverted(format: str, inks: tuple[int, ...], colour: tuple[int, int, int]) -> None:
    """JPEG writes inks inverted, as Adobe does, and TIFF as they are."""
    assert near(read(Image.new("CMYK", (8, 8), inks), format), colour)


def test_lab_tiff_is_converted() -> None:
    assert near(read(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF"), (255, 255, 255))
    assert near(read(Image.new("LAB", (8, 8), (138, 209, 198)), "TIFF"), (255, 0, 0), 8)


def test_ycbcr_tiff_is_converted() -> None:
    image = Image.new("RGB", (16, 16), (200, 30, 60)).convert("YCbCr")
    assert near(read(image, "TIFF"), (200, 30, 60))


def test_palette_is_resolved() -> None:
    image = Image.new("RGB", (8, 8), (10, 200, 30)).quantize(4)
    assert image.mode == "P"
    photo = read(image, "PNG")
    assert near(photo, (10, 200, 30), 0)
    assert photo.alpha is None


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_palette_transparency_becomes_alpha_over_white(format: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 9, 9, 10, 200, 30])
    image.putpixel((1, 0), 1)
    photo = read(image, format, transparency=0)
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[0, 255]]
    assert photo.rgb.tolist() == [[[255, 255, 255], [10, 200, 30]]]


def test_half_transparent_palette_entry_is_kept() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 9, 9, 10, 200, 30])
    photo = read(image, "PNG", transparency=bytes((77, 255)))
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[77, 77]]
    assert photo.rgb.tolist() == [[[9, 9, 9], [9, 9, 9]]]


def test_hidden_colours_turn_white_and_half_transparent_ones_stay() -> None:
    pixels = np.array([[[255, 0, 255, 0], [10, 20, 30, 128], [40, 50, 60, 255]]], np.uint8)
    photo = read(pixels, "PNG")
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[0, 128, 255]]
    assert photo.rgb.tolist() == [[[255, 255, 255], [10, 20, 30], [40, 50, 60]]]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_opaque_alpha_is_dropped(format: str) -> None:
    assert read(Image.new("RGBA", (8, 8), (10, 200, 30, 255)), format).alpha is None


@pytest.mark.parametrize("format", ["WEBP", "TIFF", "AVIF"])
def test_alpha_is_kept_from_other_formats(format: str) -> None:
    photo = read(Image.new("RGBA", (8, 8), (10, 200, 30, 128)), format)
    assert photo.alpha is not None
    assert np.abs(photo.alpha.astype(int) - 128).max() <= 2


def test_alpha_turns_with_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 100))
    photo = read(image, "PNG", exif=exif)
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[100], [255]]


def test_grey_with_alpha_is_split() -> None:
    photo = read(Image.new("LA", (8, 8), (70, 128)), "PNG")
    assert near(photo, (70, 70, 70), 0)
    assert photo.alpha is not None
    assert (photo.alpha == 128).all()


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_one_bit_image_is_black_and_white(format: str) -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert read(image, format).rgb[0, :, 0].tolist() == [0, 255]


def test_sixteen_bit_grey_png_is_scaled_and_not_clipped() -> None:
    values = np.array([[0, 255, 257 * 100, 257 * 100 + 200, 65535]], np.uint16)
    assert read(values, "PNG").rgb[0, :, 1].tolist() == [0, 1, 100, 101, 255]


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_grey_tiff_is_scaled_in_both_byte_orders(order: str) -> None:
    mode = "I;16" if order == "<" else "I;16B"
    values = np.array([[0, 257 * 100, 65535]], np.dtype(order + "u2"))
    image = Image.frombytes(mode, (3, 1), values.tobytes())
    assert read(image, "TIFF").rgb[0, :, 0].tolist() == [0, 100, 255]


def test_sixteen_bit_tiff_with_white_as_zero_is_turned_round() -> None:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    image = Image.frombytes("I;16", (3, 1), np.array([0, 25700, 65535], "<u2").tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", tiffinfo=info)
    entry = struct.pack("<HHLL", 262, 3, 1, 1)
    assert buffer.getvalue().count(entry) == 1
    data = buffer.getvalue().replace(entry, struct.pack("<HHLL", 262, 3, 1, 0))
    assert decode(data, Limits()).rgb[0, :, 0].tolist() == [255, 155, 0]


def test_sixteen_bit_rgb_png_is_scaled() -> None:
    row = struct.pack(">6H", 0, 257 * 100, 65535, 257 * 7, 257 * 200, 0)
    photo = decode(png(16, 2, row, width=2), Limits())
    assert photo.rgb.tolist() == [[[0, 100, 255], [7, 200, 0]]]


def test_sixteen_bit_rgba_png_is_scaled() -> None:
    photo = decode(png(16, 6, struct.pack(">4H", 257 * 9, 257 * 100, 65535, 257 * 128), width=1), Limits())
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[128]]
    assert photo.rgb.tolist() == [[[9, 100, 255]]]


def test_transparent_colour_is_found_at_every_bit_depth() -> None:
    grey16 = png(16, 0, struct.pack(">2H", 1000, 65535), 2, struct.pack(">H", 1000))
    grey4 = png(4, 0, bytes((0x5F,)), 2, struct.pack(">H", 5))
    grey8 = png(8, 0, bytes((5, 255)), 2, struct.pack(">H", 5))
    rgb8 = png(8, 2, bytes((1, 2, 3, 4, 5, 6)), 2, struct.pack(">3H", 1, 2, 3))
    rgb16 = png(16, 2, struct.pack(">6H", 256, 512, 768, 9999, 0, 0), 2, struct.pack(">3H", 256, 512, 768))
    for data in (grey16, grey4, grey8, rgb8, rgb16):
        photo = decode(data, Limits())
        assert photo.alpha is not None
        assert photo.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.0, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[-5.0, np.nan, 65535.0]], np.float32), [0, 0, 255]),
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[-9, 25700, 65535]], np.int32), [0, 100, 255]),
        (np.array([[0, 10**6, 2 * 10**6]], np.int32), [0, 128, 255]),
    ],
)
def test_float_and_integer_tiff_is_brought_to_full_scale(values: np.ndarray, expected: list[int]) -> None:
    assert read(values, "TIFF").rgb[0, :, 0].tolist() == expected


def test_tall_deep_image_is_scaled_by_one_white_in_all_its_strips() -> None:
    values = np.linspace(0, 2_000_000, 700, dtype=np.int32)[:, np.newaxis]
    grey = read(values, "TIFF").rgb[:, 0, 0].astype(int)
    assert np.abs(grey - np.linspace(0, 255, 700)).max() <= 0.5


def test_transparent_grey_is_found_in_every_strip() -> None:
    height = 600
    header = struct.pack(">LLBBBBB", 1, height, 16, 0, 0, 0, 0)
    rows = b"".join(b"\0" + struct.pack(">H", 1000 + (y % 2)) for y in range(height))
    body = b"".join(
        struct.pack(">L", len(content)) + name + content + struct.pack(">L", zlib.crc32(name + content))
        for name, content in (
            (b"IHDR", header),
            (b"tRNS", struct.pack(">H", 1000)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )
    photo = decode(b"\x89PNG\r\n\x1a\n" + body, Limits())
    assert photo.alpha is not None
    assert photo.alpha[:, 0].tolist() == [0, 255] * (height // 2)
