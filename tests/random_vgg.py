"""Random features in the file format that real ones have."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from workers.model.vgg import LAYERS, Vgg


def write_random_vgg(path: Path, *, scale: float = 1.0) -> Path:
    """Write features that see something, but know nothing of pictures; return the file."""
    torch.manual_seed(0)
    indices = {layer[0]: layer[1] for layer in LAYERS if not isinstance(layer, str)}
    tensors = {}
    for key, value in Vgg().state_dict().items():
        _, name, kind = key.split(".")
        tensors[f"features.{indices[name]}.{kind}"] = value.half() * scale
    save_file(tensors, path)
    return path
