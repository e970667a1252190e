"""How much of a hostile image we are willing to read."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What one source image may cost; anything above is refused before its pixels are decoded.

    ``max_bytes``   size of the file.
    ``max_pixels``  width × height as the header says; of an animation only the first frame is decoded.
    ``max_reads``   small reads the decoder may make: bounds the time that a file made of millions of
                    tiny chunks, tags or comment blocks can take. A plain photo needs some hundreds.
    """

    max_bytes: int = 64 * _MIB
    max_pixels: int = 25_000_000
    max_reads: int = 500_000
