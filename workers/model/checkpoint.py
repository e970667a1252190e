"""Checkpoints: a folder with a trunk, style rows and their provenance.

    checkpoint.json            architecture, styles with the hashes of their rows, provenance
    trunk.safetensors          weights without style rows, half precision
    styles/NAME.safetensors    one style row, half precision, a few kilobytes

Everything is safetensors or JSON: nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from shared.errors import InvalidInput
from workers.model.config import StyleSource
from workers.model.generator import Architecture, Generator

FORMAT = "atelier-checkpoint-1"

WIDEST, DEEPEST = 256, 64
"""Far beyond any use: what a file claims beyond it is not built."""


class BadCheckpoint(InvalidInput):
    """A checkpoint that is damaged, foreign, or does not match its own hashes."""

    code = "bad_checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """A trunk and style rows in memory, as bytes ready to be stored, with their provenance."""

    architecture: Architecture
    trunk: bytes
    rows: Mapping[str, bytes]
    styles: tuple[StyleSource, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trunk_sha256(self) -> str:
        """Hash that names the trunk in renditions and model versions."""
        return hashlib.sha256(self.trunk).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the checkpoint into ``folder``; files of the same name are replaced."""
        (folder / "styles").mkdir(parents=True, exist_ok=True)
        (folder / "trunk.safetensors").write_bytes(self.trunk)
        for name, row in self.rows.items():
            (folder / "styles" / f"{name}.safetensors").write_bytes(row)
        document = {
            "format": FORMAT,
            "architecture": asdict(self.architecture),
            "trunk_sha256": self.trunk_sha256,
            "styles": [
                asdict(style) | {"row_sha256": hashlib.sha256(self.rows[style.name]).hexdigest()}
                for style in self.styles
            ],
            "provenance": self.provenance,
        }
        (folder / "checkpoint.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Checkpoint:
        """Read a checkpoint and verify its hashes. Raises BadCheckpoint naming what is wrong."""
        try:
            document = json.loads((folder / "checkpoint.json").read_text())
            if document.get("format") != FORMAT:
                raise BadCheckpoint(f"{folder} holds no Atelier checkpoint ({FORMAT})")
            styles = []
            rows = {}
            for entry in document["styles"]:
                expected = entry.pop("row_sha256")
                style = StyleSource(**entry)
                rows[style.name] = _verified(folder / "styles" / f"{style.name}.safetensors", expected)
                styles.append(style)
            trunk = _verified(folder / "trunk.safetensors", document["trunk_sha256"])
            return cls(Architecture(**document["architecture"]), trunk, rows, tuple(styles), document["provenance"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadCheckpoint(f"cannot read the checkpoint {folder}: {error}") from error


def _verified(path: Path, sha256: str) -> bytes:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BadCheckpoint(f"{path} does not match the hash in checkpoint.json: it was changed or damaged")
    return data


def trunk_to_bytes(generator: Generator) -> bytes:
    """Serialise a trunk in half precision, its architecture in the header."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in generator.state_dict().items()}
    # One key only: safetensors writes several in no fixed order, and equal weights must have equal hashes.
    return save_tensors(tensors, {"architecture": json.dumps(asdict(generator.architecture), sort_keys=True)})


def trunk_from_bytes(data: bytes) -> Generator:
    """Rebuild a trunk in fp32, ready for inference. Raises BadCheckpoint."""
    try:
        header_size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + header_size])["__metadata__"]
        generator = Generator(_believable(Architecture(**json.loads(metadata["architecture"]))))
        generator.load_state_dict({name: tensor.float() for name, tensor in load_tensors(data).items()})
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"this is not a trunk of Atelier's generator{_reason(error)}") from error
    return generator.eval().requires_grad_(False)


def _reason(error: Exception) -> str:
    """Return why a file is refused: of a safetensors error, whose text is for programmers, only what it means."""
    if isinstance(error, SafetensorError | KeyError):
        return ": it is no safetensors file, is incomplete or damaged, or lacks what it should hold"
    return f": {error}"


def _believable(architecture: Architecture) -> Architecture:
    if not (0 < architecture.width <= WIDEST and 0 <= architecture.blocks <= DEEPEST):
        raise ValueError(f"its architecture, {architecture}, is beyond all use")
    return architecture


def row_to_bytes(row: Tensor) -> bytes:
    """Serialise a style row (row_size,) in half precision."""
    return save_tensors({"row": row.detach().half().contiguous()}, {"format": FORMAT})


def row_from_bytes(data: bytes) -> Tensor:
    """Read a style row back as fp32 (row_size,). Raises BadCheckpoint."""
    try:
        row = load_tensors(data)["row"]
    except (SafetensorError, KeyError, ValueError) as error:
        raise BadCheckpoint(f"this is not a style row{_reason(error)}") from error
    if row.dim() != 1 or not torch.isfinite(row).all():
        raise BadCheckpoint("this is not a style row: it must be one-dimensional and finite")
    return row.float()
