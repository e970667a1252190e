"""Paint one picture in one style, to preview the style."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from shared.context import Session
from shared.errors import UsageError
from shared.merchants.scope import styles_scope
from shared.models.styles import require_styles, style_rows
from shared.models.versions import champion
from workers.images.compose import compose, working_size
from workers.images.decode import decode
from workers.images.encode import encode
from workers.images.limits import Limits
from workers.images.procedural.definition import effect_from_bytes
from workers.images.working import at_working_size
from workers.model.checkpoint import row_from_bytes
from workers.runtime.painter import Painter, choose_device
from workers.styling.context import verified_object

SUFFIXES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


def preview_style(session: Session, name: str, image: Path, merchant: str | None, out: Path) -> None:
    """Paint an image file as a batch would, with its background preserved, and write it to ``out`` in its format."""
    settings = session.settings
    if out.exists() and image.exists() and out.samefile(image):
        raise UsageError(f"--out {out} would overwrite the photo: choose another name", code="overwrites_source")
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {out}: choose a name that ends in {', '.join(SUFFIXES)}")
    with styles_scope(session.engine, merchant) as (connection, merchant_id):
        version = champion(connection)
        known = style_rows(connection, merchant_id, version.trunk_sha256)
    require_styles([name], known)
    stored = verified_object(session.store, known[name].object_key, known[name].sha256)
    try:
        data = image.read_bytes()
    except OSError as error:
        raise UsageError(f"{image} cannot be read: {error.strerror}") from error
    photo = decode(data, Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6)))
    size = working_size(photo.width, photo.height, working_px=settings.working_px, texture_scale=1.0)
    small, weight = at_working_size(photo, size, white="keep")
    if known[name].is_procedural:
        styled = effect_from_bytes(stored).apply(photo.rgb, 1.0)
        rgb = compose(photo.rgb, photo.rgb, styled, weight, strength=1)
    else:
        painter = Painter(
            choose_device(settings.device), lambda sha256: verified_object(session.store, version.object_key, sha256)
        )
        pixels, area = torch.from_numpy(np.array(small)).permute(2, 0, 1), torch.from_numpy(weight)[None]
        painted = painter.paint(version.trunk_sha256, pixels[None], area[None], row_from_bytes(stored)[None])
        rgb = compose(photo.rgb, small, painted[0].permute(1, 2, 0).numpy(), weight, strength=1)
    encoded = encode(rgb, photo.alpha, SUFFIXES[out.suffix.lower()], quality=settings.jpeg_quality)
    try:
        out.write_bytes(encoded.data)
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}") from error
