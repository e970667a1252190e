"""Runs the segmentation network on photos; loads it when it is first needed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from workers.images.resize import resize
from workers.mask.network import INPUT_PX, STRIDE, MaskNetwork
from workers.mask.network_file import BUILT_IN, read_network

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segmentation:
    """What the network found.

    ``chance``     float32 (h, w), 0 to 1: how likely each pixel belongs to a product; longer side ``INPUT_PX``.
    ``agreement``  IoU, 0 to 1, of what it found in the photo and in its mirror image.
    """

    chance: Field
    agreement: float


class Segmenter:
    """The network of one process, on the CPU. Safe to use from several threads."""

    def __init__(self, path: Path = BUILT_IN) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._network: MaskNetwork | None = None

    def segment(self, rgb: Pixels) -> Segmentation:
        """Find the product in a photo, uint8 (H, W, 3), of any size. Raises UsageError if the network is damaged."""
        height, width = rgb.shape[:2]
        factor = INPUT_PX / max(height, width)
        wide, high = max(1, round(width * factor)), max(1, round(height * factor))
        small = torch.from_numpy(resize(rgb, (wide, high), "bicubic")).permute(2, 0, 1)[None].float() / 255
        padded = F.pad(small, (0, -wide % STRIDE, 0, -high % STRIDE), mode="replicate")
        pair = torch.cat((padded, padded.flip(3))).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            straight, mirrored = torch.sigmoid(self._loaded()(pair))
        mirrored = mirrored.flip(2)
        chance = ((straight + mirrored) / 2)[0, :high, :wide].numpy()
        one, other = (found[0, :high, :wide] > 0.5 for found in (straight, mirrored))
        either = int((one | other).sum())
        return Segmentation(chance, int((one & other).sum()) / either if either else 1.0)

    def _loaded(self) -> MaskNetwork:
        with self._lock:
            if self._network is None:
                self._network = read_network(self._path)
            return self._network
