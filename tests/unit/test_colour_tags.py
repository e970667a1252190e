"""Colour that is tagged otherwise than by a profile: EXIF, chunks of PNG, nclx; against littlecms and known values."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from tests.picture_files import (
    ADOBE_COLORANTS,
    BT2020_COLORANTS,
    P3_COLORANTS,
    SRGB_COLORANTS,
    all_colours,
    by_littlecms,
    chromaticity_chunk,
    curve_profile,
    gamma_chunk,
    mean_difference,
    png_chunk,
    saved,
    srgb_light,
    srgb_signal,
    with_chunks,
)
from workers.images.colour.hdr import WHITE_NITS, hlg_scene_light, pq_nits
from workers.images.decode import Limits, decode

P3_CHROMATICITIES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3 = curve_profile(P3_COLORANTS, srgb_light)
ADOBE_RGB = curve_profile(ADOBE_COLORANTS, lambda signal: signal**2.19921875)
LINEAR = curve_profile(SRGB_COLORANTS, lambda signal: signal)
SRGB_CHUNK = png_chunk(b"sRGB", b"\0")
TO_BT2020 = np.array(((0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956)))


def cicp_chunk(primaries: int, transfer: int, matrix: int = 0, full_range: int = 1) -> bytes:
    return png_chunk(b"cICP", bytes((primaries, transfer, matrix, full_range)))


def decoded(data: bytes) -> np.ndarray:
    return decode(data, Limits()).rgb


def decoded_png(*chunks: bytes, pixels: np.ndarray | None = None, **options: object) -> np.ndarray:
    return decoded(with_chunks(saved(all_colours() if pixels is None else pixels, "PNG", **options), *chunks))


def bt709_light(signal: np.ndarray) -> np.ndarray:
    return np.where(signal < 0.081, signal / 4.5, ((signal + 0.099) / 1.099) ** (1 / 0.45))


def camera_exif(colour_space: int, interoperability: str = "") -> bytes:
    exif = Image.Exif()
    camera = exif.get_ifd(0x8769)
    camera[0xA001] = colour_space
    if interoperability:
        camera[0xA005] = {1: interoperability}
    return exif.tobytes()


@pytest.mark.parametrize(
    ("chunks", "icc"),
    [
        ((cicp_chunk(12, 13),), P3),
        ((cicp_chunk(9, 13),), curve_profile(BT2020_COLORANTS, srgb_light)),
        ((cicp_chunk(1, 1),), curve_profile(SRGB_COLORANTS, bt709_light)),
        ((cicp_chunk(9, 14),), curve_profile(BT2020_COLORANTS, bt709_light)),
        ((cicp_chunk(1, 8),), LINEAR),
        ((cicp_chunk(1, 4),), curve_profile(SRGB_COLORANTS, lambda signal: signal**2.2)),
        ((gamma_chunk(100_000),), LINEAR),
        ((gamma_chunk(55_556),), curve_profile(SRGB_COLORANTS, lambda signal: signal**1.8)),
        ((chromaticity_chunk(*P3_CHROMATICITIES),), P3),
        ((gamma_chunk(45_455), chromaticity_chunk(*P3_CHROMATICITIES)), P3),
        (
            (gamma_chunk(38_462), chromaticity_chunk(*P3_CHROMATICITIES)),
            curve_profile(P3_COLORANTS, lambda signal: signal**2.6),
        ),
    ],
)
def test_png_chunks_agree_with_littlecms(chunks: tuple[bytes, ...], icc: bytes) -> None:
    reference = by_littlecms(all_colours(), icc)
    assert mean_difference(reference, all_colours()) > 1  # else the tag would not matter
    assert mean_difference(decoded_png(*chunks), reference) < 0.3


@pytest.mark.parametrize("chunks", [(gamma_chunk(45_455),), (gamma_chunk(45_455), SRGB_CHUNK), (cicp_chunk(1, 13),)])
def test_what_programs_write_for_srgb_changes_no_pixel(chunks: tuple[bytes, ...]) -> None:
    assert np.array_equal(decoded_png(*chunks), all_colours())


def test_gamma_and_chromaticities_of_srgb_change_no_pixel() -> None:
    data = decoded_png(gamma_chunk(45_455), chromaticity_chunk(*SRGB_CHROMATICITIES))
    assert np.array_equal(data, all_colours())


@pytest.mark.parametrize(
    ("chunks", "icc", "right"),
    [
        ((cicp_chunk(12, 13), SRGB_CHUNK, gamma_chunk(100_000)), ADOBE_RGB, P3),
        ((SRGB_CHUNK, gamma_chunk(100_000)), ADOBE_RGB, ADOBE_RGB),
        ((SRGB_CHUNK, gamma_chunk(100_000), chromaticity_chunk(*P3_CHROMATICITIES)), None, None),
        ((cicp_chunk(12, 99), gamma_chunk(100_000)), ADOBE_RGB, ADOBE_RGB),
        ((cicp_chunk(12, 13, matrix=1), gamma_chunk(100_000)), None, LINEAR),
        ((gamma_chunk(100_000),), b"no profile at all", LINEAR),
    ],
)
def test_first_tag_that_can_be_read_counts(chunks: tuple[bytes, ...], icc: bytes | None, right: bytes | None) -> None:
    reference = by_littlecms(all_colours(), right) if right else all_colours()
    options: dict[str, Any] = {"icc_profile": icc} if icc else {}
    assert mean_difference(decoded_png(*chunks, **options), reference) < 0.3


@pytest.mark.parametrize(
    "chunk",
    [
        gamma_chunk(0),
        gamma_chunk(1),
        gamma_chunk(2**32 - 1),
        chromaticity_chunk(*[0] * 8),
        chromaticity_chunk(*[2**32 - 1] * 8),
        chromaticity_chunk(31270, 32900, *(33000, 33000) * 3),
        chromaticity_chunk(31270, 0, *P3_CHROMATICITIES[2:]),
        chromaticity_chunk(31270, 32900, 10000, 10000, 20000, 20000, 30000, 30000),
        chromaticity_chunk(80000, 10000, *P3_CHROMATICITIES[2:]),
        cicp_chunk(0, 0),
        cicp_chunk(2, 2),
        cicp_chunk(255, 255),
        cicp_chunk(12, 13, full_range=7),
        png_chunk(b"cICP", b"\x0c\x0d"),
    ],
)
def test_values_that_make_no_sense_are_ignored(chunk: bytes) -> None:
    assert np.array_equal(decoded_png(chunk), all_colours())


def test_narrow_range_is_widened() -> None:
    pixels = np.array([[[16, 16, 16], [126, 126, 126], [235, 235, 235], [0, 255, 16]]], np.uint8)
    widened = decoded_png(cicp_chunk(1, 13, full_range=0), pixels=pixels)
    assert widened.tolist() == [[[0, 0, 0], [128, 128, 128], [255, 255, 255], [0, 255, 0]]]


def test_grey_png_is_converted_too() -> None:
    data = with_chunks(saved(Image.new("L", (4, 4), 128), "PNG"), gamma_chunk(100_000))
    assert np.abs(decoded(data).astype(int) - 188).max() <= 1


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize(("colour_space", "interoperability"), [(65_535, "R03"), (2, "")])
def test_adobe_rgb_of_cameras_is_converted(format: str, colour_space: int, interoperability: str) -> None:
    lossless: dict[str, dict[str, Any]] = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    options = lossless.get(format, {})
    plain = saved(all_colours(), format, **options)
    tagged = saved(all_colours(), format, exif=camera_exif(colour_space, interoperability), **options)
    reference = by_littlecms(decoded(plain), ADOBE_RGB)
    assert mean_difference(decoded(tagged), reference) < 0.3


@pytest.mark.parametrize(("colour_space", "interoperability"), [(1, "R98"), (1, "R03"), (65_535, ""), (65_535, "R98")])
def test_other_exif_colour_spaces_change_no_pixel(colour_space: int, interoperability: str) -> None:
    data = saved(all_colours(), "PNG", exif=camera_exif(colour_space, interoperability))
    assert np.array_equal(decoded(data), all_colours())


def test_profile_of_a_wrong_type_is_ignored() -> None:
    """A TIFF may have a number where the profile should be."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[34675], info.tagtype[34675] = 7, 3
    data = saved(all_colours(), "TIFF", tiffinfo=info)
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == 7
    assert np.array_equal(decoded(data), all_colours())


def test_large_hdr_picture_is_converted_in_all_its_blocks() -> None:
    row = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    tall = row.repeat(1_100, axis=0)
    assert np.array_equal(
        decoded_png(cicp_chunk(9, 18), pixels=tall),
        decoded_png(cicp_chunk(9, 18), pixels=row).repeat(1_100, axis=0),
    )


def test_profile_counts_more_than_exif() -> None:
    data = saved(all_colours(), "PNG", exif=camera_exif(65_535, "R03"), icc_profile=P3)
    assert mean_difference(decoded(data), by_littlecms(all_colours(), P3)) < 0.1


def avif(pixels: np.ndarray, primaries: int, transfer: int, **options: object) -> bytes:
    """Pillow writes no other space than sRGB: the code points are put in afterwards."""
    data = saved(pixels, "AVIF", quality=100, subsampling="4:4:4", **options)
    written = b"nclx" + struct.pack(">HH", 1, 13)
    assert options or data.count(written) == 1
    return data.replace(written, b"nclx" + struct.pack(">HH", primaries, transfer))


@pytest.mark.parametrize(
    ("codes", "icc"),
    [((12, 13), P3), ((12, 2), P3), ((1, 8), LINEAR), ((9, 1), curve_profile(BT2020_COLORANTS, bt709_light))],
)
def test_nclx_of_avif_agrees_with_littlecms(codes: tuple[int, int], icc: bytes) -> None:
    reference = by_littlecms(decoded(avif(all_colours(), 1, 13)), icc)
    assert mean_difference(decoded(avif(all_colours(), *codes)), reference) < 0.3


def test_profile_counts_more_than_nclx() -> None:
    plain = decoded(avif(all_colours(), 1, 13))
    tagged = decoded(avif(all_colours(), 1, 8, icc_profile=P3))
    assert mean_difference(tagged, by_littlecms(plain, P3)) < 0.3


def pq_signal(nits: np.ndarray) -> np.ndarray:
    power = (nits / 10_000) ** (2610 / 16_384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def pq_pixels(srgb: np.ndarray) -> np.ndarray:
    """An sRGB picture as BT.2020 PQ, its white at 203 nits."""
    light = srgb_light(srgb / 255) @ TO_BT2020.T
    pixels: np.ndarray = np.rint(pq_signal(np.clip(light, 0, 1) * WHITE_NITS) * 255).astype(np.uint8)
    return pixels


@pytest.mark.parametrize(("signal", "nits"), [(0.0, 0.0), (0.5081, 100.0), (0.5807, 203.0), (0.7518, 1000.0), (1, 1e4)])
def test_pq_gives_the_luminance_of_the_standard(signal: float, nits: float) -> None:
    assert pq_nits(np.array(signal)) == pytest.approx(nits, rel=1e-3)


@pytest.mark.parametrize(("signal", "light"), [(0.0, 0.0), (0.5, 1 / 12), (0.75, 0.26496), (1.0, 1.0)])
def test_hlg_gives_the_light_of_the_standard(signal: float, light: float) -> None:
    assert hlg_scene_light(np.array(signal)) == pytest.approx(light, abs=1e-4)


def test_pq_agrees_with_littlecms_up_to_white() -> None:
    pixels = pq_pixels(all_colours())
    icc = curve_profile(BT2020_COLORANTS, lambda signal: pq_nits(signal) / WHITE_NITS)
    result = decoded_png(cicp_chunk(9, 16), pixels=pixels)
    assert mean_difference(result, by_littlecms(pixels, icc)) < 1
    assert mean_difference(result, all_colours()) < 1


def test_pq_avif_is_tone_mapped() -> None:
    pixels = pq_pixels(all_colours())
    stored = decoded(avif(pixels, 1, 13))
    assert np.array_equal(decoded(avif(pixels, 9, 16)), decoded_png(cicp_chunk(9, 16), pixels=stored))


def test_what_is_brighter_than_white_becomes_white() -> None:
    glint = np.full((8, 8, 3), round(float(pq_signal(np.array(4000.0))) * 255), np.uint8)
    assert decoded_png(cicp_chunk(9, 16), pixels=glint).min() == 255


def test_reference_levels_of_hlg_become_white_and_middle_grey() -> None:
    """BT.2408: 75 % is reference white, 38 % an 18 % grey card, which sRGB shows at about 46 %."""
    levels = np.array([[[0] * 3, [97] * 3, [191] * 3, [255] * 3]], np.uint8)
    black, grey, white, glint = decoded_png(cicp_chunk(9, 18), pixels=levels)[0].astype(int)
    assert black.tolist() == [0, 0, 0]
    assert np.abs(grey - round(255 * float(srgb_signal(np.array(26 / 203))))).max() <= 4
    assert white.min() >= 254
    assert glint.min() == 255


def test_hlg_keeps_hues() -> None:
    """The system gamma acts on luminance: the ratio of the channels stays that of the scene."""
    levels = np.array([[[150, 75, 75]]], np.uint8)
    red, green, blue = srgb_light(decoded_png(cicp_chunk(1, 18), pixels=levels)[0, 0] / 255)
    scene = hlg_scene_light(np.array((150 / 255, 75 / 255)))
    assert red / green == pytest.approx(scene[0] / scene[1], rel=0.05)
    assert green == blue
