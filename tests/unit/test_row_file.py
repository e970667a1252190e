import json
import pickle
from dataclasses import asdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from workers.model.checkpoint import BadCheckpoint
from workers.model.row_file import RowLabel, read_row_file, row_file

LABEL = RowLabel("tahiti", "Femmes de Tahiti", "Paul Gauguin", "1891", "public domain", "ab" * 32)
ROW = torch.linspace(-2, 2, 1600).half()
GOOD = row_file(ROW, LABEL)


def test_a_row_travels_with_all_that_is_known_of_it() -> None:
    row, label = read_row_file(GOOD)
    assert torch.equal(row.half(), ROW)
    assert label == LABEL
    assert len(GOOD) < 4096
    assert row_file(row, label) == GOOD


def labelled(**changes: object) -> dict[str, str]:
    return {"style": json.dumps(asdict(LABEL) | changes)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        pickle.dumps({"row": [1.0]}),
        save({"row": ROW}),
        save({"row": ROW}, {"style": "[]"}),
        save({"row": ROW}, {"style": json.dumps({"name": "tahiti"})}),
        save({"row": ROW}, labelled(artist=1891)),
        save({"row": ROW}, labelled(title="x" * 10_000)),
        save({"weights": ROW}, labelled()),
        save({"row": ROW, "more": ROW.clone()}, labelled()),
        save({"row": ROW.reshape(2, 800).contiguous()}, labelled()),
        save({"row": ROW.float()}, labelled()),
        save({"row": torch.full((1600,), torch.nan).half()}, labelled()),
    ],
)
def test_what_is_no_exported_row_is_refused(data: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        read_row_file(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_and_never_crashes(position: int, value: int) -> None:
    changed = bytearray(GOOD)
    changed[position] = value
    try:
        row, _ = read_row_file(bytes(changed))
    except BadCheckpoint:
        return
    assert torch.isfinite(row).all()
