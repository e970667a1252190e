"""Run trunks on a device, within its memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from shared.errors import DeviceLost, DeviceUnavailable, UsageError
from workers.model.generator import Generator
from workers.model.tiles import paint
from workers.runtime.loaded_trunks import Trunks

STACKED = 8
"""Pictures of one size that a GPU paints at once if memory allows. On a CPU minibatches gain nothing."""

BYTES_PER_PIXEL = 1024
"""Device memory for painting one pixel: activations of 16 channels in fp32 and copies, with a margin."""


def choose_device(name: str) -> torch.device:
    """Return the device of the setting. Raises UsageError if this machine has no such device."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"ATELIER_DEVICE is {name!r}: use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"ATELIER_DEVICE is {name!r}, but this machine has no such GPU")
    return device


def fastest_precision(device: torch.device) -> torch.dtype:
    """Return the fastest precision: bfloat16 on a GPU, and on a CPU that multiplies in it.

    On cores with AVX512-BF16 and without AMX it is 1.5 times as fast as fp32 in painting, 1.7 times in training.
    """
    able = torch.cpu.get_capabilities()
    fast = device.type == "cuda" or able.get("amx_bf16", False) or able.get("avx512_bf16", False)
    return torch.bfloat16 if fast else torch.float32


def _memory(device: torch.device) -> int:
    """Return the free memory of a device in bytes; on a CPU other limits apply."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else sys.maxsize


class Painter:
    """Runs the generator on one device. Safe to call from several lanes at once."""

    def __init__(self, device: torch.device, fetch_trunk: Callable[[str], bytes], *, minibatch: int = 0) -> None:
        """``fetch_trunk`` returns the verified bytes of a trunk by its sha256.

        ``minibatch`` limits the pictures painted at once; 0 selects the fastest number for the device.
        """
        self.device = device
        self.precision = fastest_precision(device)
        self._stacked = minibatch or (STACKED if device.type == "cuda" else 1)
        self._pixels_that_fit = _memory(device) // BYTES_PER_PIXEL
        self.trunks = Trunks(device, fetch_trunk)

    @property
    def lanes(self) -> int:
        """Return the fastest number of lanes: one for a GPU, on a CPU one per core with one torch thread each."""
        return 1 if self.device.type == "cuda" else len(os.sched_getaffinity(0))

    def most(self, height: int, width: int) -> int:
        """Return how many pictures of a size are worth stacking: fewer after a minibatch did not fit the memory."""
        return max(1, min(self._stacked, self._pixels_that_fit // (height * width)))

    def paint(self, trunk_sha256: str, photos: Tensor, areas: Tensor, rows: Tensor) -> Tensor:
        """Paint photos of one size with style vectors (N, row_size): uint8 (N, 3, H, W) → uint8 (N, 3, H, W).

        ``areas``, uint8 (N, 1, H, W), is 255 where a photo is measured and 0 on a background to be preserved.

        A minibatch that exceeds the device's memory is halved, and later ones are no larger than that half.
        Raises DeviceUnavailable if one image is too large for the device, DeviceLost if the device fails.
        """
        generator = self.trunks[trunk_sha256]
        try:
            return self._paint(generator, photos, areas, rows)
        except torch.OutOfMemoryError as error:
            if len(photos) == 1:
                raise DeviceUnavailable(f"{self.device} has too little memory for one image: {error}") from error
        except torch.AcceleratorError as error:
            # A kernel's error stays with the context: every later request of this process to the device fails, too.
            raise DeviceLost(f"{self.device} failed, and this process can no longer use it: {error}") from error
        # Outside the handler, whose traceback keeps the failed minibatch in memory.
        torch.cuda.empty_cache()
        half = len(photos) // 2
        self._pixels_that_fit = min(self._pixels_that_fit, (len(photos) - half) * photos[0, 0].numel())
        parts = (slice(None, half), slice(half, None))
        return torch.cat([self.paint(trunk_sha256, photos[part], areas[part], rows[part]) for part in parts])

    @torch.inference_mode()
    def _paint(self, generator: Generator, photos: Tensor, areas: Tensor, rows: Tensor) -> Tensor:
        on_device = self._moved(photos).float() / 255
        # Measuring everywhere is cheaper, and right for most pictures of scenes.
        area = None if bool((areas == 255).all()) else self._moved(areas).float() / 255
        painted = paint(generator, on_device.to(self.precision), rows.to(self.device), area)
        return (painted * 255).round_().clamp_(0, 255).to(torch.uint8).cpu()

    def _moved(self, pixels: Tensor) -> Tensor:
        """Move uint8 to the device: a quarter of float's bytes, from pinned memory, while the device computes."""
        return pixels.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else pixels
