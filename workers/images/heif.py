"""HEIC pictures, which Pillow reads only where the optional package pillow-heif is installed."""

from __future__ import annotations


def is_readable() -> bool:
    """Whether HEIC can be read here; teaches Pillow to, where it can."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    # One thread, since several images are decoded at once; only the picture, and nothing that lies beside it.
    register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    return True
