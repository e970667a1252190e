"""The files of a rendition: its pixels in each plain format, and as each channel wants them, checked by its rules."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from shared.presets import PresetFile
from shared.quality.rule_report import RuleReport
from workers.images.background import ramp
from workers.images.channel_rules import Facts, check
from workers.images.encode import Encoded, encode
from workers.images.framing import Box, Frame, frame, product_box
from workers.images.resample import draw, draw_mask
from workers.mask.product_mask import MaskOrigin, ProductMask, product_mask, refine
from workers.styling.context import WorkerContext
from workers.styling.prepare import Prepared
from workers.styling.product import CONFIDENT

Pixels = npt.NDArray[np.uint8]

LIGHT = 160.0, 225.0
"""Least channel value from which a ground begins to be, and is fully, made pure white."""

AT_EDGE = 0.004
"""Distance from the photo's edge, as a share of the side, up to which a product counts as cut by it."""

LEAST_QUALITY = 40
"""Quality below which a file is not brought to fit a byte limit: it breaks the rule instead."""


class Files:
    """Makes the files of one rendition, uint8 (H, W, 3). What several presets need is found once, when first needed.

    ``source_type`` is the IPTC's term that they are labelled with.
    """

    def __init__(self, context: WorkerContext, prepared: Prepared, rgb: Pixels, source_type: str) -> None:
        self._quality = context.settings.jpeg_quality
        self._photo, self._rgb = prepared.photo, rgb
        self._working_size = prepared.small.shape[1], prepared.small.shape[0]
        self._styled = rgb is not prepared.photo.rgb
        self._source_type = source_type
        self._signer, self._original, self._segmenter = context.signer, prepared.original, context.segmenter
        # That of a scene is where the product was cut from, not what is plain around it now.
        self._known = prepared.product if prepared.scene is None else None
        self._drawn: dict[object, tuple[Pixels, Pixels | None]] = {}

    def plain(self, format: str) -> tuple[Encoded, None]:
        """Encode the rendition as it is."""
        return self._encode(self._rgb, self._photo.alpha, format, self._quality), None

    def of(self, file: PresetFile) -> tuple[Encoded, RuleReport]:
        """Make a file of a preset, and check it by the preset's rules."""
        preset, product = file.preset, None
        if preset.fit != "whole" or preset.min_fill is not None:
            product = self._product
        framed = None if product is None or self._is_scene(product) else product
        plain = framed is not None and self._is_plain
        view = frame(self._photo.width, self._photo.height, preset, file.size, framed, plain=plain)
        rgb, alpha = self._draw(view, product, white=preset.background == "white")
        encoded = self._within(preset.max_bytes, rgb, alpha, file.format)
        facts = Facts(styled=self._styled, fill=view.fill(product))
        return encoded, check(encoded.data, file, facts)

    def _draw(self, view: Frame, product: Box | None, *, white: bool) -> tuple[Pixels, Pixels | None]:
        """Draw a frame, on pure white where that is wanted; formats of one size share it."""
        if (view, white) not in self._drawn:
            ground = product if self._is_plain else None
            rgb, alpha = draw(self._rgb, self._photo.alpha, view, ground)
            if white and self._product is not None and alpha is None:
                rgb = _on_pure_white(rgb, draw_mask(self._fine_weight, view))
            self._drawn = {(view, white): (rgb, alpha)}
        return self._drawn[view, white]

    @cached_property
    def _mask(self) -> ProductMask:
        return self._known or product_mask(self._photo, self._working_size, self._segmenter)

    @cached_property
    def _product(self) -> Box | None:
        """The product's box in the photo; None where the mask cannot be relied on."""
        if self._mask.confidence < CONFIDENT:
            return None
        return product_box(self._mask.weight, self._photo.width, self._photo.height)

    def _is_scene(self, product: Box) -> bool:
        """Whether a product reaches from edge to edge: then it is a scene, of which any part may be shown."""
        edges = AT_EDGE * self._photo.width, AT_EDGE * self._photo.height
        across = product.left <= edges[0] and product.right >= self._photo.width - edges[0]
        return across or (product.top <= edges[1] and product.bottom >= self._photo.height - edges[1])

    @property
    def _is_plain(self) -> bool:
        """Whether the ground can go on beyond the photo: it is plain, and no edge cuts the product."""
        box, width, height = self._product, self._photo.width, self._photo.height
        if box is None or self._mask.origin == MaskOrigin.NETWORK:
            return False
        return min(box.left / width, box.top / height, 1 - box.right / width, 1 - box.bottom / height) > AT_EDGE

    @cached_property
    def _fine_weight(self) -> Pixels:
        """The product mask at the photo's resolution, uint8 (H, W)."""
        return refine(self._mask, self._photo.rgb)

    def _encode(self, rgb: Pixels, alpha: Pixels | None, format: str, quality: int) -> Encoded:
        credits = self._photo.credits
        encoded = encode(rgb, alpha, format, quality=quality, credits=credits, digital_source_type=self._source_type)
        if self._signer is None or self._original is None:
            return encoded
        signed = self._signer.sign(encoded.data, encoded.content_type, self._original, self._source_type)
        return replace(encoded, data=signed)

    def _within(self, most: int | None, rgb: Pixels, alpha: Pixels | None, format: str) -> Encoded:
        """Encode at the highest quality whose file has at most so many bytes; at the least one if there is none."""
        encoded = self._encode(rgb, alpha, format, self._quality)
        if most is None or len(encoded.data) <= most or format == "png":
            return encoded
        low, high = min(LEAST_QUALITY, self._quality), self._quality - 1
        best = self._encode(rgb, alpha, format, low)
        while low < high and len(best.data) <= most:
            middle = (low + high + 1) // 2
            tried = self._encode(rgb, alpha, format, middle)
            if len(tried.data) <= most:
                low, best = middle, tried
            else:
                high = middle - 1
        return best


def _on_pure_white(rgb: Pixels, weight: Pixels) -> Pixels:
    """Lighten uint8 (H, W, 3) to white as far as a pixel is light ground: no product, by its weight (h, w).

    What is not light is left, so that a mask which is wrong about a part of the product tears nothing out of it.
    """
    darkest = np.minimum(np.minimum(rgb[..., 0], rgb[..., 1]), rgb[..., 2]).astype(np.float32)
    ground = np.asarray(ramp(darkest, *LIGHT)) * (255 - weight.astype(np.float32)) / 255
    lightened: Pixels = np.rint(rgb + ground[..., np.newaxis] * (255 - rgb.astype(np.float32))).astype(np.uint8)
    return lightened
