"""Lettering on a product: found in the photo, and given back its detail, so that labels stay readable.

Letters are thin strokes of one ink, of a common height, side by side. Thin strokes are what a morphological opening
or closing removes (top-hat and black-hat transforms, Serra 1982); letters are chosen among them and chained into lines
by size, ink and place, as Epshtein, Ofek and Wexler do after their stroke width transform (CVPR 2010).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

LARGEST_PX = 1280
"""Longer side at which the smallest letters are looked for."""

SCALES = (1, 2, 4)
"""Factors by which the picture is shrunk further, to find larger letters."""

STROKE_PX = 11
"""Width that strokes of letters do not reach, at each scale."""

CONTRAST = 26.0
"""Levels of 255 by which a letter differs from its ground at least."""

LETTER_PX = (6, 64)
"""Least and greatest height of a letter at its scale."""

MOST_LETTERS = 3000
"""More strokes than this are a texture: only those of most contrast are considered."""

WIDEST = 3.0
"""Width of a letter, or of a few that touch, relative to the height."""

TWO_TONES = 0.8
"""Share of a line's variance that two tones explain; of a texture's, with its bell of tones, .64 at best."""

LEAST_LETTERS = 3
"""Letters in a line."""


@dataclass(frozen=True)
class Strokes:
    """Thin areas of one ink, possibly letters: arrays (n,) in pixels of the scale.

    ``x``, ``y`` are centres, ``width`` and ``height`` of the bounding boxes, ``ink`` is the lightness.
    """

    x: Numbers
    y: Numbers
    width: Numbers
    height: Numbers
    ink: Numbers


def lettering_mask(photo: Pixels) -> Pixels:
    """Find text-like areas of a photo: uint8 (H, W, 3) → uint8 (H, W), 255 on lettering, soft at its edge."""
    height, width = photo.shape[:2]
    factor = min(1.0, LARGEST_PX / max(height, width))
    found = np.zeros((height, width), np.uint8)
    for scale in SCALES:
        size = max(1, round(width * factor / scale)), max(1, round(height * factor / scale))
        grey = np.asarray(Image.fromarray(resize(photo, size, "bicubic")).convert("L"))
        lines = _lines(grey)
        if lines.any():
            found = np.maximum(
                found, np.asarray(Image.fromarray(lines).resize((width, height), Image.Resampling.BICUBIC))
            )
    return found


def keep_lettering(photo: Pixels, rendition: Pixels, lettering: Pixels) -> Pixels:
    """Return a rendition with the photo's detail where there is lettering: uint8 (H, W, 3).

    The detail is laid on the rendition's own slow colours, which are moved as far as it needs to keep its contrast.
    """
    areas, count = ndimage.label(lettering > 0)
    result = rendition.copy()
    for part in ndimage.find_objects(areas)[:count]:
        share = lettering[part].astype(np.float32)[..., np.newaxis] / 255
        before, after = photo[part].astype(np.float32), rendition[part].astype(np.float32)
        # As wide as the area is high, so that letters are detail and the label beneath them is not.
        sigma = max(2.0, min(share.shape[:2]) / 3)
        detail = before - _slow(before, sigma)
        ground = _fitted(_slow(after, sigma), detail, round(sigma))
        mixed = after + share * (ground + detail - after)
        result[part] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result


def _slow(values: Field, sigma: float) -> Field:
    smooth: Field = ndimage.gaussian_filter(values, (sigma, sigma, 0), truncate=2.0, mode="nearest")
    return smooth


def _fitted(ground: Field, detail: Field, radius: int) -> Field:
    """Move colours as far from 0 and 255 as the detail around them reaches."""
    size = (2 * radius + 1, 2 * radius + 1, 1)
    lowest = _slow(ndimage.minimum_filter(detail, size), radius / 2)
    highest = _slow(ndimage.maximum_filter(detail, size), radius / 2)
    least, most = np.maximum(-lowest, 0), 255 - np.maximum(highest, 0)
    middle = (least + most) / 2
    fitted: Field = np.clip(ground, np.minimum(least, middle), np.maximum(most, middle))
    return fitted


def _lines(grey: Pixels) -> Pixels:
    """Return the lines of lettering at one scale: uint8 (h, w) → uint8 (h, w)."""
    lines = np.zeros(grey.shape, np.uint8)
    for hat in (grey - ndimage.grey_opening(grey, STROKE_PX), ndimage.grey_closing(grey, STROKE_PX) - grey):
        strokes = _strokes(grey, hat)
        for turned in (strokes, Strokes(strokes.y, strokes.x, strokes.height, strokes.width, strokes.ink)):
            for across, along, pad in _boxes(turned):
                rows, columns = (along, across) if turned is strokes else (across, along)
                if _has_two_tones(grey[_span(rows, 0), _span(columns, 0)]):
                    lines[_span(rows, pad), _span(columns, pad)] = 255
    return np.asarray(ndimage.gaussian_filter(lines, 2.0))


def _has_two_tones(grey: Pixels) -> bool:
    """Whether pixels are of two tones, ink and ground, as the best threshold tells them apart (Otsu 1979)."""
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    share = np.cumsum(counts) / counts.sum()
    below = np.cumsum(counts * np.arange(256)) / counts.sum()
    mean = below[-1]
    between = (mean * share - below) ** 2 / np.maximum(share * (1 - share), 1e-9)
    variance = (counts * (np.arange(256) - mean) ** 2).sum() / counts.sum()
    return bool(between.max() >= TWO_TONES * variance)


def _span(ends: tuple[float, float], pad: float) -> slice:
    return slice(max(0, int(ends[0] - pad)), int(ends[1] + pad) + 1)


def _strokes(grey: Pixels, hat: Pixels) -> Strokes:
    """Find areas of one ink and a letter's size where ``hat`` says that strokes are thin."""
    areas, count = ndimage.label(hat >= CONTRAST, np.ones((3, 3)))
    boxes = ndimage.find_objects(areas)
    tall = np.array([rows.stop - rows.start for rows, _ in boxes], np.float64)
    wide = np.array([columns.stop - columns.start for _, columns in boxes], np.float64)
    top = np.array([rows.start for rows, _ in boxes], np.float64)
    left = np.array([columns.start for _, columns in boxes], np.float64)
    if not count:
        return Strokes(*(np.zeros(0),) * 5)
    labels = areas.ravel()
    number = np.bincount(labels, minlength=count + 1)[1:]
    values = grey.ravel().astype(np.float64)
    ink = np.bincount(labels, values, count + 1)[1:] / number
    spread = np.sqrt(np.maximum(np.bincount(labels, values**2, count + 1)[1:] / number - ink**2, 0))
    contrast = np.bincount(labels, hat.ravel(), count + 1)[1:] / number
    size = np.maximum(tall, wide)
    chosen = (
        (size >= LETTER_PX[0]) & (size <= LETTER_PX[1]) & (number >= 0.12 * tall * wide) & (spread < 0.5 * contrast)
    )
    if chosen.sum() > MOST_LETTERS:
        best = np.flatnonzero(chosen)[np.argsort(-contrast[chosen], kind="stable")[:MOST_LETTERS]]
        chosen = np.isin(np.arange(count), best)  # no more, though a pattern's strokes are all alike
    centre_x, centre_y = left + wide / 2, top + tall / 2
    return Strokes(*(values[chosen] for values in (centre_x, centre_y, wide, tall, ink)))


def _boxes(strokes: Strokes) -> Iterator[tuple[tuple[float, float], tuple[float, float], float]]:
    """Yield the ends across, the ends along, and the margin of lines into which strokes chain from left to right."""
    if len(strokes.x) < LEAST_LETTERS:
        return
    reach = 3.0 * LETTER_PX[1] if len(strokes.x) < 200 else 1.5 * LETTER_PX[1]
    pairs = KDTree(np.column_stack((strokes.x, strokes.y))).query_pairs(reach, output_type="ndarray")
    i, j = pairs[:, 0], pairs[:, 1]
    height = np.maximum(strokes.height[i], strokes.height[j])
    gap = np.abs(strokes.x[i] - strokes.x[j]) - (strokes.width[i] + strokes.width[j]) / 2
    near = (gap < 1.0 * height) & (np.abs(strokes.y[i] - strokes.y[j]) < 0.55 * height)
    alike = (height < 1.9 * np.minimum(strokes.height[i], strokes.height[j])) & (height >= LETTER_PX[0])
    slim = np.maximum(strokes.width[i], strokes.width[j]) < WIDEST * height
    same_ink = np.abs(strokes.ink[i] - strokes.ink[j]) < 0.25 * 255
    chained = near & alike & slim & same_ink
    count = len(strokes.x)
    graph = coo_array((np.ones(int(chained.sum())), (i[chained], j[chained])), shape=(count, count))
    groups, group_of = connected_components(graph, directed=False)
    for group in np.flatnonzero(np.bincount(group_of, minlength=groups) >= LEAST_LETTERS):
        of = group_of == group
        x, y, wide, tall = (values[of] for values in (strokes.x, strokes.y, strokes.width, strokes.height))
        if _is_line(x, y, tall):
            across = float((x - wide / 2).min()), float((x + wide / 2).max())
            yield across, (float((y - tall / 2).min()), float((y + tall / 2).max())), 0.35 * float(np.median(tall))


def _is_line(x: Numbers, y: Numbers, tall: Numbers) -> bool:
    """Whether letters share a height and a base line, which may rise or fall."""
    typical = float(np.median(tall))
    aligned = min(_off_line(x, y + half) for half in (tall / 2, -tall / 2))
    return aligned < 0.12 * typical and float(np.median(np.abs(tall - typical))) < 0.3 * typical


def _off_line(x: Numbers, ends: Numbers) -> float:
    """Return the median distance of points from the line through them."""
    slope, offset = np.polyfit(x - x.mean(), ends, 1) if np.ptp(x) > 0 else (0.0, ends.mean())
    return float(np.median(np.abs(ends - offset - slope * (x - x.mean()))))
