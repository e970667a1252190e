"""What decode accepts and refuses; colours and bit depths are in test_decode_colour.py."""

import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from shared.errors import ImageError, ImageTooLarge, UnreadableImage
from tests.picture_files import png_chunk, saved, with_chunks
from workers.images.decode import Limits, decode
from workers.images.metadata.exif import Exif, read_exif
from workers.images.metadata.isobmff import read_main_picture

# Where the four corners of an upright picture lie in a file of each orientation, as the EXIF
# specification draws them: what to do to upright pixels to get the stored ones.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[::-1],
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
}


def corners(width: int = 48, height: int = 32) -> np.ndarray:
    """Four flat quarters: red, green, blue and yellow."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 0)
    return pixels


def noise(width: int = 96, height: int = 64) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)


def refusal(data: bytes, limits: Limits | None = None) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode(data, limits or Limits())
    return caught.value


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_every_supported_format_decodes_to_upright_rgb(format: str) -> None:
    photo = decode(saved(corners(), format), Limits())

    assert photo.source_format == format.lower()
    assert photo.rgb.shape == (32, 48, 3)
    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.flags.writeable
    assert (photo.width, photo.height) == (48, 32)
    assert photo.alpha is None
    assert np.abs(photo.rgb[4, 4].astype(int) - (255, 0, 0)).max() < 12
    assert np.abs(photo.rgb[28, 44].astype(int) - (255, 255, 0)).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](corners()))

    photo = decode(saved(stored, format, exif=exif), Limits())

    assert photo.rgb.shape == (32, 48, 3)
    assert np.abs(photo.rgb[4::24, 4::36].astype(int) - corners()[4::24, 4::36]).max() < 12


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff\x01\x12", b"??"]
)
def test_damaged_exif_means_upright(exif: bytes) -> None:
    assert read_exif(exif) == Exif()


@pytest.mark.filterwarnings("ignore")  # Pillow warns of the damage, which is the point
def test_damaged_metadata_does_not_cost_the_picture() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\x00\x02" + struct.pack(">HHLL", 0x0132, 2, 9999, 4) * 2
    assert decode(saved(corners(), "JPEG", exif=exif), Limits()).width == 48


def test_animated_gif_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue", "lime")]
    photo = decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), Limits())
    assert photo.rgb.shape == (10, 20, 3)
    assert (photo.rgb == (255, 0, 0)).all()


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_other_animations_give_their_first_frame(format: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    photo = decode(saved(frames[0], format, save_all=True, append_images=frames[1:], **options), Limits())
    assert np.abs(photo.rgb.astype(int) - (255, 0, 0)).max() < 3


def without(png: bytes, *names: bytes) -> bytes:
    """The PNG without its chunks of these names."""
    kept, at = png[:8], 8
    while at < len(png):
        end = at + 12 + struct.unpack_from(">L", png, at)[0]
        if png[at + 4 : at + 8] not in names:
            kept += png[at:end]
        at = end
    return kept


@pytest.mark.parametrize("shown_without_animation", [False, True])
@pytest.mark.parametrize("names", [(b"fcTL",), (b"acTL",), (b"fdAT",), (b"acTL", b"fcTL"), (b"fcTL", b"fdAT")])
def test_animated_png_with_parts_missing_is_a_still_picture(
    names: tuple[bytes, ...], shown_without_animation: bool
) -> None:
    frames = [Image.fromarray(corners()), Image.new("RGB", (48, 32), "blue")]
    options = {"save_all": True, "append_images": frames[1:] * 2, "default_image": shown_without_animation}
    whole = saved(frames[0], "PNG", **options)
    assert all(name in whole for name in names)
    assert np.array_equal(decode(without(whole, *names), Limits()).rgb, corners())


def test_animation_control_of_no_animation_is_ignored() -> None:
    control = png_chunk(b"acTL", struct.pack(">LL", 3, 0))
    assert np.array_equal(decode(with_chunks(saved(corners(), "PNG"), control), Limits()).rgb, corners())


@pytest.mark.parametrize("extra", [b"\0", b"\r\n<!-- cached -->\n", b"\xff" * 7, bytes(5_000), saved(noise(), "JPEG")])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_bytes_after_the_end_are_ignored(format: str, extra: bytes) -> None:
    whole = saved(corners(), format)
    assert np.array_equal(decode(whole + extra, Limits()).rgb, decode(whole, Limits()).rgb)


def test_single_pixel_is_accepted() -> None:
    assert decode(saved(corners(1, 1), "PNG"), Limits()).rgb.shape == (1, 1, 3)


def test_empty_file_is_refused_by_its_own_code() -> None:
    assert refusal(b"").code == "empty_file"


@pytest.mark.parametrize("format", ["BMP", "TGA", "PPM", "ICO", "JPEG2000", "PCX"])
def test_other_formats_are_refused_naming_the_supported_ones(format: str) -> None:
    error = refusal(saved(corners(), format))
    assert error.code == "unsupported_format"
    assert "JPEG, PNG, WebP, TIFF, GIF or AVIF" in str(error)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"<!DOCTYPE html><html><body>404", "web page"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"not an image at all", "no supported image format"),
        (b"\xff", "no supported image format"),
    ],
)
def test_refusal_names_what_was_sent_instead(data: bytes, named: str) -> None:
    error = refusal(data)
    assert error.code == "unsupported_format"
    assert named in str(error)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_file_that_breaks_off_is_refused(format: str, share: float) -> None:
    data = saved(noise(), format)
    error = refusal(data[: int(len(data) * share)])
    assert isinstance(error, UnreadableImage)
    if format in ("JPEG", "PNG", "WEBP", "GIF"):
        assert error.code == "truncated_image"


def test_progressive_jpeg_that_breaks_off_is_refused() -> None:
    data = saved(noise(), "JPEG", progressive=True)
    assert refusal(data[: len(data) * 3 // 4]).code == "truncated_image"


def test_pixel_limit_counts_width_times_height() -> None:
    data = saved(corners(40, 25), "PNG")
    assert decode(data, Limits(max_pixels=1000)).width == 40
    error = refusal(data, Limits(max_pixels=999))
    assert isinstance(error, ImageTooLarge)
    assert error.code == "image_too_large"


def test_pixel_limit_says_how_many_there_are() -> None:
    error = refusal(png_header(12_000, 7_000) + png_chunk(b"IDAT", b""))
    assert str(error) == "the image has 84.0 megapixels, over the limit of 25.0: send a smaller one"


def test_byte_limit_is_checked_first() -> None:
    error = refusal(b"x" * 2_000_000, Limits(max_bytes=1_000_000))
    assert str(error) == "the file has 2.0 MB, over the limit of 1.0: send a smaller one"
    assert error.code == "image_too_large"


@pytest.mark.parametrize("side", [6_000, 10_000, 50_000, 2**31 - 1])
def test_declared_bomb_is_refused_from_the_header(side: int) -> None:
    """Above 9,459 a side Pillow warns of its own, above 13,377 it raises: all are one refusal here.

    The file has next to no pixels, so a decoder that had been started would call it truncated.
    """
    error = refusal(png_header(side, side) + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)))
    assert error.code == "image_too_large"


def test_avif_far_over_the_limit_is_too_large_and_not_damaged() -> None:
    """Its decoder gives up above 268 megapixels, and says nothing of the size."""
    size = struct.pack(">4sLLL", b"ispe", 0, 48, 32)
    whole = saved(corners(), "AVIF")
    assert whole.count(size) == 1
    error = refusal(whole.replace(size, struct.pack(">4sLLL", b"ispe", 0, 17_000, 17_000)))
    assert str(error) == "the image has 289.0 megapixels, over the limit of 25.0: send a smaller one"


def test_avif_boxes_that_make_no_sense_are_left_to_the_decoder() -> None:
    whole = saved(corners(), "AVIF")
    for at in range(len(whole)):
        read_main_picture(whole[:at])
        read_main_picture(whole[:at] + b"\xff\xff" + whole[at + 2 :])


HEIC_HEADERS = (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic")


@pytest.mark.parametrize("data", HEIC_HEADERS)
def test_heic_without_its_package_is_refused_saying_what_to_install(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    error = refusal(data)
    assert error.code == "unsupported_format"
    assert str(error) == (
        "the file is a HEIC image: have atelier[heif] installed on the workers, "
        "or send JPEG, PNG, WebP, TIFF, GIF or AVIF"
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_decoded_upright(orientation: int) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](corners(96, 64)))
    photo = decode(saved(stored, "HEIF", quality=90, exif=exif.tobytes()), Limits())
    assert photo.source_format == "heif"
    assert photo.rgb.shape == (64, 96, 3)
    assert np.abs(photo.rgb[8::48, 8::80].astype(int) - corners(96, 64)[8::48, 8::80]).max() < 12


def test_heic_is_limited_and_damage_has_a_code() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    whole = saved(corners(96, 64), "HEIF")
    assert refusal(whole, Limits(max_pixels=6_000)).code == "image_too_large"
    assert {refusal(whole[: int(len(whole) * share)]).code for share in (0.3, 0.6, 0.95)} == {"unreadable_image"}
    assert all(refusal(data).code == "unreadable_image" for data in HEIC_HEADERS)


def test_decode_leaves_pillows_own_limit_alone() -> None:
    before = Image.MAX_IMAGE_PIXELS
    refusal(png_header(50_000, 50_000))
    assert before == Image.MAX_IMAGE_PIXELS


def test_text_chunk_that_inflates_is_refused() -> None:
    text = b"Comment\0\0" + zlib.compress(b"\0" * 50_000_000)
    data = saved(corners(), "PNG")
    error = refusal(data[:33] + png_chunk(b"zTXt", text) + data[33:])
    assert error.code == "image_too_large"
    assert "text block" in str(error)


def test_file_of_very_many_small_parts_is_given_up() -> None:
    data = png_header(1, 1) + png_chunk(b"zzZz", b"") * 5_000
    assert "small parts" in str(refusal(data, Limits(max_reads=2_000)))


def test_jpeg_with_hundreds_of_scans_is_refused() -> None:
    data = saved(corners(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    assert "scans" in str(refusal(data[:-2] + data[last:-2] * 500 + b"\xff\xd9"))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tiff_of_millions_of_strips_is_refused(order: str, big: bool) -> None:
    magic = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    if big:
        data = magic + struct.pack(order + "HHQQHHQQ", 8, 0, 16, 1, 273, 4, 3_000_000, 36)
    else:
        data = magic + struct.pack(order + "LHHHLL", 8, 1, 273, 4, 3_000_000, 26)
    assert "3000000 strips" in str(refusal(data))


def test_tiff_of_very_many_tags_is_refused() -> None:
    assert "20000 tags" in str(refusal(b"II*\0" + struct.pack("<LH", 8, 20_000) + bytes(12 * 20_000)))


def test_tiff_tile_larger_than_the_limit_is_refused() -> None:
    """One pixel of grey in a tile of 8,192 by 8,192, which a decoder would allocate whole."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 277: 1, 322: 8192, 323: 8192, 324: 8, 325: 1}
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0" + struct.pack("<LH", 8, len(tags)) + entries + bytes(4)
    error = refusal(data, Limits(max_pixels=1_000_000))
    assert isinstance(error, ImageTooLarge)
    assert "tiles" in str(error)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_tiff_of_floating_point_colours_is_refused_by_its_depth(order: str, big: bool) -> None:
    """As renderers write them: a whole file, so the sentence must not speak of damage."""
    magic = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    if big:
        data = magic + struct.pack(order + "HHQQHHQ4H", 8, 0, 16, 1, 258, 3, 3, 32, 32, 32, 0)
    else:
        data = magic + struct.pack(order + "LHHHLLL3H", 8, 1, 258, 3, 3, 26, 0, 32, 32, 32)
    error = refusal(data)
    assert error.code == "unsupported_format"
    assert str(error) == "the TIFF has 32 bits per channel, more than can be read: save it with 8 or 16"


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some of the damage
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_no_foreign_exception_escapes_from_damaged_files(format: str) -> None:
    whole = saved(corners(), format)
    random = np.random.default_rng(11)
    for _ in range(60):
        damaged = bytearray(whole)
        for at in random.integers(0, len(whole), 6):
            damaged[at] = random.integers(0, 256)
        with suppress(ImageError):
            photo = decode(bytes(damaged), Limits(max_pixels=1_000_000))
            assert photo.rgb.shape == (photo.height, photo.width, 3)


def test_threads_decode_side_by_side() -> None:
    files = [saved(corners(), format) for format in ("JPEG", "PNG", "WEBP", "TIFF", "GIF")] * 8
    alone = [decode(data, Limits()).rgb for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = [photo.rgb for photo in pool.map(lambda data: decode(data, Limits()), files)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
