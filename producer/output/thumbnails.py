"""Thumbnails of photos and renditions for pages: made when first asked for, and stored.

Most pictures of a large batch are never looked at, so making all of them in the workers would cost more. A photo is a
stranger's file. It is decoded here only if its hash is that of a photo from which a worker has made a rendition: these
very bytes have passed the limits of the workers' decoder. Few are decoded at once, so that memory stays bounded.
"""

from __future__ import annotations

import hashlib
from threading import BoundedSemaphore

from producer.thumbnail import small_picture
from shared.errors import MissingObject, NotFound
from shared.queue.thumbnail_keys import FinishedPicture
from shared.source_copies import source_key
from shared.store import ObjectStore

SMALL_PX = 320
LARGE_PX = 1280
MEDIA_TYPE = "image/webp"

_MAX_BYTES = 64 * 1024 * 1024
_decoding = BoundedSemaphore(2)


def rendition_thumbnail(store: ObjectStore, picture: FinishedPicture, side_px: int) -> bytes:
    """Return a small WebP of a rendition. Raises NotFound where the store lacks the rendition."""
    key = picture.rendition_thumbnail(side_px)
    return _stored(store, key) or _made(store, key, picture.object_key, None, side_px)


def photo_thumbnail(store: ObjectStore, picture: FinishedPicture, side_px: int) -> bytes:
    """Return a small WebP of a photo. Raises NotFound where the store keeps no copy of it."""
    key = picture.photo_thumbnail(side_px)
    copy = source_key(picture.merchant_id, picture.source_sha256)
    return _stored(store, key) or _made(store, key, copy, picture.source_sha256, side_px)


def _stored(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get(key)
    except MissingObject:
        return None


def _made(store: ObjectStore, key: str, original: str, sha256: str | None, side_px: int) -> bytes:
    with _decoding:
        try:
            data = store.get(original, max_bytes=_MAX_BYTES)
        except MissingObject as error:
            raise NotFound("the store keeps no copy of this picture", code="no_thumbnail") from error
        digest = hashlib.sha256(data).hexdigest()
        if (digest != sha256) if sha256 else (digest not in original):
            raise NotFound("the stored picture is damaged", code="no_thumbnail")
        made = small_picture(data, side_px)
    if made is None:
        raise NotFound("this picture is too large for a thumbnail", code="no_thumbnail")
    store.put(key, made, content_type=MEDIA_TYPE)
    return made
