"""The generator as an ONNX file, for programs without PyTorch (ONNX Runtime and what reads its format).

    photo    float32 (n, 3, h, w), RGB in [0, 1], sides of at least 32 pixels
    rows     float32 (n, row_size), a style row (or a weighted mean of several) for each photo
    painted  float32 (n, 3, h, w), RGB in [0, 1]

``n``, ``h`` and ``w`` are chosen at every call. Needs the packages of the extra ``onnx``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor
from torch.export import Dim

from workers.model.generator import SMALLEST_PX, Generator

INPUTS = ("photo", "rows")
OUTPUT = "painted"


def onnx_bytes(generator: Generator, trunk_sha256: str) -> bytes:
    """Write a generator, in evaluation mode on the CPU, as an ONNX model that names its trunk and architecture."""
    import onnx

    # Sides with different remainders by 4, so that nothing of them becomes a constant of the graph.
    example = (torch.rand(2, 3, 2 * SMALLEST_PX + 1, 2 * SMALLEST_PX + 6), _rows(generator, 2))
    count = Dim("n")
    shapes = ({0: count, 2: Dim("h", min=SMALLEST_PX), 3: Dim("w", min=SMALLEST_PX)}, {0: count})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its own parts
        program = torch.onnx.export(
            generator,
            example,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=INPUTS,
            output_names=[OUTPUT],
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # The exporter derives the sides of what is painted and calls them by the formula.
    for dimension, name in zip(model.graph.output[0].type.tensor_type.shape.dim, ("n", None, "h", "w"), strict=True):
        if name:
            dimension.dim_param = name
    about = {"trunk_sha256": trunk_sha256, "architecture": json.dumps(asdict(generator.architecture), sort_keys=True)}
    onnx.helper.set_model_props(model, about)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@torch.inference_mode()
def largest_difference(model: bytes, generator: Generator, samples: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Run samples, photos (N, 3, H, W) with rows (N, row_size), through ONNX Runtime and through torch, on the CPU.

    Returns the largest difference of any value: 1/255 would be one step of an 8-bit picture.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    worst = 0.0
    for sample in samples:
        (painted,) = session.run([OUTPUT], dict(zip(INPUTS, (one.numpy() for one in sample), strict=True)))
        wanted = generator(*sample).numpy()
        if painted.shape != wanted.shape:
            return float("inf")
        worst = max(worst, float(np.nan_to_num(np.abs(painted - wanted), nan=np.inf).max()))
    return worst


def _rows(generator: Generator, count: int) -> Tensor:
    return torch.ones(count, generator.architecture.row_size)
