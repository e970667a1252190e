"""Sign messages after Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, version 1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

from shared.webhooks.webhooks import SECRET_PREFIX


def signed_headers(message: str, timestamp: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """Return the three headers by which a receiver verifies a message.

    ``message`` is its id, ``timestamp`` that of the attempt, in seconds of Unix time. Each secret gives a signature.
    """
    content = f"{message}.{timestamp}.".encode() + body
    signatures = (
        base64.b64encode(hmac.digest(base64.b64decode(secret.removeprefix(SECRET_PREFIX)), content, hashlib.sha256))
        for secret in secrets
    )
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature.decode()}" for signature in signatures),
    }
