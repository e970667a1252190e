"""Content Credentials: a signed C2PA manifest in each rendition, with the original as its ingredient.

Optional: it needs the extra ``atelier[c2pa]``, and the operator's own certificate and key by setting. The manifest
follows the C2PA specification 2.2 (https://spec.c2pa.org): one action says that the original was opened, one how it
was edited, with the IPTC's digital source type.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from shared.errors import UsageError
from shared.settings import Settings

_MEDIA_TYPES = {"tiff": "image/tiff", "heif": "image/heic", "gif": "image/gif"}


@dataclass(frozen=True)
class Original:
    """The file that a merchant sent, and its format as decoded: it becomes the ingredient."""

    data: bytes
    format: str


class Signer:
    """Signs renditions with one certificate. Safe to use from several threads."""

    def __init__(self, certificate: str, key: str, algorithm: str) -> None:
        self._certificate, self._key, self._algorithm = certificate, key, algorithm

    @property
    def fingerprint(self) -> str:
        """Return what identifies the certificate: renditions signed by another are others."""
        return hashlib.sha256(self._certificate.encode()).hexdigest()[:16]

    def sign(self, data: bytes, media_type: str, original: Original, source_type: str) -> bytes:
        """Return a rendition's bytes with a manifest. Raises UsageError if the certificate cannot sign."""
        from c2pa import Builder, C2paBuilderIntent, C2paSignerInfo
        from c2pa import Signer as C2paSigner

        info = C2paSignerInfo(self._algorithm, self._certificate.encode(), self._key.encode(), None)
        signed = io.BytesIO()
        try:
            with C2paSigner.from_info(info) as signer, Builder(json.dumps(_manifest(source_type))) as builder:
                builder.set_intent(C2paBuilderIntent.EDIT)
                kind = _MEDIA_TYPES.get(original.format, f"image/{original.format}")
                ingredient = {"title": "original", "relationship": "parentOf"}
                builder.add_ingredient(json.dumps(ingredient), kind, io.BytesIO(original.data))
                builder.sign(signer, media_type, io.BytesIO(data), signed)
        except Exception as error:  # the library raises a class for each of its reasons
            raise UsageError(
                f"the rendition cannot be signed: {' '.join(str(error).split())[:300]}; check ATELIER_C2PA_CERTIFICATE "
                "and ATELIER_C2PA_KEY",
                code="cannot_sign",
            ) from error
        return signed.getvalue()


def make_signer(settings: Settings) -> Signer | None:
    """Return the signer of the settings, or None without any. Raises UsageError if it cannot be used."""
    if settings.c2pa_certificate is None and settings.c2pa_key is None:
        return None
    if settings.c2pa_certificate is None or settings.c2pa_key is None:
        raise UsageError("ATELIER_C2PA_CERTIFICATE and ATELIER_C2PA_KEY need each other: set both, or neither")
    try:
        import c2pa  # noqa: F401
    except ImportError as error:
        raise UsageError("ATELIER_C2PA_CERTIFICATE needs a package: install atelier[c2pa] on the workers") from error
    certificate = _read(settings.c2pa_certificate, "ATELIER_C2PA_CERTIFICATE")
    signer = Signer(certificate, _read(settings.c2pa_key, "ATELIER_C2PA_KEY"), settings.c2pa_algorithm)
    pixel = _white_pixel()
    signer.sign(pixel, "image/png", Original(pixel, "png"), "")  # so that a wrong key shows now, not at an image
    return signer


def _read(path: Path, setting: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{setting}: {path} cannot be read: {error}") from error


def _manifest(source_type: str) -> dict[str, Any]:
    actions = []
    if source_type:
        edited = {"action": "c2pa.edited", "digitalSourceType": source_type, "softwareAgent": {"name": "Atelier"}}
        actions.append(edited)
    return {
        "claim_generator_info": [{"name": "Atelier"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}] if actions else [],
    }


def _white_pixel() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(buffer, "png")
    return buffer.getvalue()
