"""Pictures for tests of decoding: files made byte by byte, colour profiles, and how far two pictures are apart."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageCms

PNG_HEADER_END = 33

# Colorants adapted to D50, as the profiles that are in use write them.
SRGB_COLORANTS = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
P3_COLORANTS = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_COLORANTS = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
BT2020_COLORANTS = ((0.6735, 0.2790, -0.0019), (0.1657, 0.6753, 0.0300), (0.1251, 0.0456, 0.7972))


def saved(image: Image.Image | np.ndarray, format: str, **options: object) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """The PNG with chunks put behind its header."""
    return png[:PNG_HEADER_END] + b"".join(chunks) + png[PNG_HEADER_END:]


def gamma_chunk(gamma: int) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">L", gamma))


def chromaticity_chunk(*values: int) -> bytes:
    """White, red, green and blue, x and y of each, times 100,000."""
    return png_chunk(b"cHRM", struct.pack(">8L", *values))


def all_colours() -> np.ndarray:
    """Every combination of 17 levels, each as a square of 4 by 4, so that lossy formats keep it."""
    levels = np.linspace(0, 255, 17).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(17, 289, 3)
    return grid.repeat(4, axis=0).repeat(4, axis=1)


def profile(space: bytes, tags: dict[bytes, bytes], *, kind: bytes = b"mntr", pcs: bytes = b"XYZ ") -> bytes:
    """A minimal ICC profile, version 2."""
    table, body = b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sLL", name, 132 + 12 * len(tags) + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    size = 132 + len(table) + len(body)
    d50 = struct.pack(">lll", 63190, 65536, 54061)
    header = struct.pack(">L4sL4s4s4s", size, b"lcms", 0x02100000, kind, space, pcs) + bytes(12)
    header += b"acsp" + bytes(28) + d50 + bytes(48)
    return header + struct.pack(">L", len(tags)) + table + body


def curve_profile(colorants: Sequence[tuple[float, float, float]], light: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """An ICC profile of three colorants and a tone curve, which is tabulated."""
    table = np.rint(np.clip(light(np.linspace(0, 1, 4096)), 0, 1) * 65_535).astype(">u2")
    curve = b"curv\0\0\0\0" + struct.pack(">L", len(table)) + table.tobytes()
    xyz = [b"XYZ \0\0\0\0" + struct.pack(">lll", *(round(v * 65536) for v in colorant)) for colorant in colorants]
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), xyz, strict=True))
    return profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def srgb_light(signal: np.ndarray) -> np.ndarray:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def srgb_signal(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def by_littlecms(pixels: np.ndarray, icc: bytes) -> np.ndarray:
    """The pixels in sRGB, as littlecms converts them."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    transform = ImageCms.buildTransform(
        source, ImageCms.createProfile("sRGB"), "RGB", "RGB", renderingIntent=intent, flags=flags
    )
    converted = ImageCms.applyTransform(Image.fromarray(pixels), transform)
    assert converted is not None
    return np.asarray(converted)


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean ΔE76 of two sRGB pictures."""
    return float(np.linalg.norm(_lab(a) - _lab(b), axis=-1).mean())


def _lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array(((0.41246, 0.35758, 0.18044), (0.21267, 0.71515, 0.07218), (0.01933, 0.11919, 0.95030)))
    xyz = srgb_light(rgb / 255) @ (to_xyz / to_xyz.sum(axis=1, keepdims=True)).T
    x, y, z = np.moveaxis(np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116), -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)
