"""Export a checkpoint's generator to ONNX, for ``atelier export``, without any service."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.errors import AtelierError, UsageError
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.generator import Generator

PACKAGES = ("onnx", "onnxscript", "onnxruntime")

TOLERANCE = 1 / 255
"""Largest difference between the exported and the original model: one step of an 8-bit picture."""


class ExportDiffers(AtelierError):
    """The exported model does not paint like the original; nothing was written."""

    code = "export_differs"


def export_onnx(folder: Path, out: Path) -> dict[str, object]:
    """Export the generator of a checkpoint to ``out``, after checking that it paints like the original.

    Returns the document to print. Raises UsageError, BadCheckpoint or ExportDiffers; then nothing is written.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise UsageError(f"exporting needs {', '.join(missing)}: pip install 'atelier[onnx]'")
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(f"--out {out}: name a file in a folder that exists")
    from workers.model.onnx_file import onnx_bytes

    checkpoint = Checkpoint.load(folder)
    generator = trunk_from_bytes(checkpoint.trunk)
    model = onnx_bytes(generator, checkpoint.trunk_sha256)
    rows = torch.stack([row_from_bytes(row) for row in checkpoint.rows.values()])
    difference = write_checked(model, generator, rows, out)
    return {"out": str(out), "bytes": len(model), "largest_difference": difference, "row_size": rows.shape[1]}


def write_checked(model: bytes, generator: Generator, rows: Tensor, out: Path) -> float:
    """Write an ONNX model of a generator if it paints alike; return the largest difference."""
    from workers.model.onnx_file import largest_difference

    difference = largest_difference(model, generator, samples(rows))
    if difference >= TOLERANCE:
        raise ExportDiffers(
            f"the ONNX model for {out} differs from the original by {255 * difference:.2f} steps of 255: "
            "nothing was written; try the versions of torch and onnxruntime in constraints.txt"
        )
    unfinished = out.with_name(out.name + ".part")
    try:
        unfinished.write_bytes(model)
        unfinished.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}") from error
    return difference


def samples(rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield photos of several sizes and counts with vectors that together cover every style."""
    rng = torch.Generator().manual_seed(1)
    soft = F.interpolate(torch.rand(len(rows), 3, 9, 9, generator=rng), (96, 96), mode="bicubic").clamp(0, 1)
    yield soft, rows
    yield torch.rand(2, 3, 131, 94, generator=rng), rows[:1].expand(2, -1)
    yield torch.ones(1, 3, 35, 66), rows[-1:]  # flat white, whose variance is only rounding error
