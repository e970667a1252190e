"""Last stage: blend paint and photo, measure, encode for each preset, and put into the store."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from shared.quality.gate import Gate, GateRule, Quality
from shared.queue.outcomes import Succeeded
from shared.queue.renditions import NewRendition, rendition_object_key
from shared.strength import Strength
from workers.images.compose import Pixels, compose
from workers.images.effects import with_effects
from workers.images.label import source_type
from workers.styling.context import WorkerContext
from workers.styling.files import Files
from workers.styling.lease import Lease
from workers.styling.measure import measure
from workers.styling.paint import await_paint
from workers.styling.prepare import Prepared
from workers.styling.product import find_details, protected, strengths_of

BLENDS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the look's strength that are tried in turn where a gate blends."""

EVERYWHERE = tuple(Strength(share, share) for share in BLENDS)
PRODUCT_FIRST = tuple(Strength(1.0, share) for share in BLENDS) + tuple(Strength(share, 0.0) for share in BLENDS[1:])
"""The same for scene and product: on the product first, where it is known, then on the scene."""


def complete(context: WorkerContext, lease: Lease, prepared: Prepared) -> Succeeded:
    """Wait for the paint, compose, encode and put what is missing."""
    photo, batch = prepared.photo, lease.claim.batch
    rgb, quality = photo.rgb, Quality(0.0, 0.0, 1.0, 0.0)
    if not prepared.job.look.is_photo:
        painted = None
        if prepared.painted is not None:
            with context.metrics.stage("wait"):
                painted = await_paint(lease, prepared.painted)
        rgb, quality = _blend(context, batch.gate, prepared, painted)
    if prepared.scene is not None:
        scene = prepared.scene
        quality = replace(quality, mask=scene.found.confidence, background=float(scene.is_set))
    files = Files(context, prepared, rgb, _source_type(prepared, quality))
    wanted = {file.key: file for preset in batch.preset_rules.values() for file in preset.files}
    new = []
    for key in prepared.missing:
        with context.metrics.stage("encode"):
            encoded, report = files.plain(key.preset) if key.preset not in wanted else files.of(wanted[key.preset])
        sha256 = hashlib.sha256(encoded.data).hexdigest()
        object_key = rendition_object_key(batch.merchant_id, sha256, encoded.extension)
        with context.metrics.stage("put"):
            context.store.put(object_key, encoded.data, content_type=encoded.content_type)
        size = len(encoded.data), encoded.width, encoded.height
        new.append(NewRendition(key, object_key, sha256, *size, quality, report))
    return Succeeded(prepared.job.ordinal, prepared.keys, new)


def _source_type(prepared: Prepared, quality: Quality) -> str:
    """Return the digital source type by what was done, another background included."""
    styled = max(quality.strength, quality.product_strength or 0.0) > 0
    is_set = prepared.scene is not None and prepared.scene.is_set
    before = prepared.photo.digital_source_type
    return source_type(before, painted=styled and prepared.painted is not None, altered=styled or is_set)


def _blend(
    context: WorkerContext, gate: Gate | None, prepared: Prepared, painted: Pixels | None
) -> tuple[Pixels, Quality]:
    """Blend paint and photo, and measure that; a gate that blends takes strength back until its limits are kept."""
    photo, small, look = prepared.photo.rgb, prepared.small, prepared.job.look
    if prepared.effects or painted is None:
        with context.metrics.stage("compose"):
            painted = with_effects(photo, small, painted, prepared.effects, scale=look.texture_scale)
        small = photo  # it has the photo's detail already
    product = None
    if prepared.product is not None:
        with context.metrics.stage("protect"):
            product = find_details(photo, prepared.product, look)
    full = strengths_of(look, product)
    shares = PRODUCT_FIRST if product is not None and product.is_found else EVERYWHERE
    for share in shares if gate is not None and gate.rule == GateRule.BLEND else shares[:1]:
        strengths = full.scaled(share)
        with context.metrics.stage("compose"):
            rgb = compose(photo, small, painted, prepared.weight, strength=strengths.most)
        if product is not None and strengths.most > 0:
            with context.metrics.stage("protect"):
                rgb = protected(photo, rgb, look, product, strengths)
        with context.metrics.stage("measure"):
            quality = measure(photo, rgb, prepared.weight, strengths, product)
        if gate is None or gate.passes(quality):
            break
    return rgb, quality
