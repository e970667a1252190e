"""Last stage: blend paint and photo, measure, encode for each preset, and put into the store."""

from __future__ import annotations

import hashlib

from shared.quality.gate import Gate, GateRule, Quality
from shared.queue.outcomes import Succeeded
from shared.queue.renditions import NewRendition, rendition_object_key
from workers.images.compose import Pixels, compose
from workers.images.effects import with_effects
from workers.images.label import source_type
from workers.styling.context import WorkerContext
from workers.styling.files import Files
from workers.styling.lease import Lease
from workers.styling.measure import measure
from workers.styling.paint import await_paint
from workers.styling.prepare import Prepared

BLENDS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the look's strength that are tried in turn where a gate blends."""


def complete(context: WorkerContext, lease: Lease, prepared: Prepared) -> Succeeded:
    """Wait for the paint, compose, encode and put what is missing."""
    photo, batch = prepared.photo, lease.claim.batch
    rgb, quality = photo.rgb, Quality(0.0, 0.0, 1.0, 0.0)
    if prepared.job.look.strength > 0:
        painted = None
        if prepared.painted is not None:
            with context.metrics.stage("wait"):
                painted = await_paint(lease, prepared.painted)
        rgb, quality = _blend(context, batch.gate, prepared, painted)
    files = Files(
        context,
        prepared,
        rgb,
        source_type(
            photo.digital_source_type,
            painted=prepared.painted is not None and quality.strength > 0,
            altered=quality.strength > 0,
        ),
    )
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


def _blend(
    context: WorkerContext, gate: Gate | None, prepared: Prepared, painted: Pixels | None
) -> tuple[Pixels, Quality]:
    """Blend paint and photo, and measure that; a gate that blends takes strength back until its limits are kept."""
    photo, small, look = prepared.photo.rgb, prepared.small, prepared.job.look
    if prepared.effects or painted is None:
        with context.metrics.stage("compose"):
            painted = with_effects(photo, small, painted, prepared.effects, scale=look.texture_scale)
        small = photo  # it has the photo's detail already
    strength = look.strength
    shares = BLENDS if gate is not None and gate.rule == GateRule.BLEND else BLENDS[:1]
    for share in shares:
        with context.metrics.stage("compose"):
            rgb = compose(photo, small, painted, prepared.weight, strength=share * strength)
        with context.metrics.stage("measure"):
            quality = measure(photo, rgb, prepared.weight, share * strength)
        if gate is None or gate.passes(quality):
            break
    return rgb, quality
