"""A style row as a file of a few kilobytes that says what it is and to which trunk it belongs.

It is a safetensors file with the row and, in the one metadata key ``style``, a JSON document: name, title,
artist, year, licence, and the trunk's sha256. (One key only: several are written in no fixed order, and
equal rows must make equal files.)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from workers.model.checkpoint import BadCheckpoint

MAX_BYTES = 1 << 20
"""Far more than any row needs: what is larger is not read."""

MAX_TEXT = 500


@dataclass(frozen=True)
class RowLabel:
    """What a row file says of its row."""

    name: str
    title: str
    artist: str
    year: str
    licence: str
    trunk_sha256: str


def row_file(row: Tensor, label: RowLabel) -> bytes:
    """Make the file of a row (row_size,), in half precision as rows are stored."""
    about = json.dumps(asdict(label), ensure_ascii=False, sort_keys=True)
    return save_tensors({"row": row.detach().half().contiguous()}, {"style": about})


def read_row_file(data: bytes) -> tuple[Tensor, RowLabel]:
    """Return the row (row_size,), fp32, and its label. Raises BadCheckpoint saying what is wrong."""
    try:
        tensors = load_tensors(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = json.loads(header["__metadata__"]["style"])
        values = {field.name: about[field.name] for field in fields(RowLabel)}
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint("this is not a style row that was exported, or it is damaged: export it again") from error
    if not all(isinstance(value, str) and len(value) <= MAX_TEXT for value in values.values()):
        raise BadCheckpoint("the label of this style row is damaged: its fields must be short texts")
    row = tensors.get("row")
    if list(tensors) != ["row"] or row is None or row.dim() != 1 or row.dtype != torch.float16:
        raise BadCheckpoint("this is not a style row: it must hold one list of numbers in half precision")
    if not torch.isfinite(row).all():
        raise BadCheckpoint("this style row is damaged: some of its numbers are not finite")
    return row.float(), RowLabel(**values)
