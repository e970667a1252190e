"""The trained network's file: half precision, with the training config in its header."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from shared.errors import UsageError
from workers.mask.network import MaskNetwork

BUILT_IN = Path(__file__).parent / "weights" / "network.safetensors"


def write_network(path: Path, network: MaskNetwork, config: dict[str, Any]) -> None:
    """Write a network as float16, except its normalisations' statistics, so that a reader never sees half of it."""
    weights = {
        name: value.half().contiguous() if value.is_floating_point() and "running" not in name else value.contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    unfinished = path.with_suffix(".partial")
    unfinished.write_bytes(save_tensors(weights, metadata={"config": json.dumps(config)}))
    unfinished.replace(path)


def read_network(path: Path = BUILT_IN) -> MaskNetwork:
    """Read a network, in evaluation mode. Raises UsageError if the file is missing or foreign."""
    network = MaskNetwork()
    try:
        weights = {name: value.float() for name, value in load_tensors(path.read_bytes()).items()}
        lacking, foreign = network.load_state_dict(weights, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UsageError(f"{path} is no network for product masks: {error}") from error
    if foreign or [name for name in lacking if not name.endswith("num_batches_tracked")]:
        raise UsageError(f"{path} is no network for product masks: it has other layers")
    return network.eval().to(memory_format=torch.channels_last)


def network_sha256(path: Path = BUILT_IN) -> str:
    """Return the SHA-256 of a network's file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
