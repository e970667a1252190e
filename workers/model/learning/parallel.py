"""Data-parallel training under ``torchrun``: every process its own crops, all the same gradients.

Outside ``torchrun`` there is one process, and these functions do nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def leads() -> bool:
    """Whether this process is the one that writes files."""
    return rank() == 0


def join(device: torch.device) -> None:
    """Join the other processes if ``torchrun`` started this one; each takes a GPU of its own.

    Call before anything is put on the device.
    """
    if dist.is_torchelastic_launched() and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(dist.get_node_local_rank())
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def leave() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def average(tensor: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
        tensor /= processes()
    return tensor


def any_says(flag: bool, device: torch.device) -> bool:
    """Whether any process says so. All get the same answer: one that stopped alone would leave the others waiting."""
    return bool(average(torch.tensor(float(flag), device=device)) > 0)


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Replace the gradients by their mean over all processes."""
    for parameter in parameters:
        if parameter.grad is not None:
            average(parameter.grad)
