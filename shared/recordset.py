"""Pass many rows to a statement as one parameter.

psycopg writes a list element by element: nine arrays of 64 took 3.1 ms of CPU time, the same as JSON 0.4 ms, and the
server reads JSON faster, too. In SQL: ``json_to_recordset(CAST(:rows AS json)) AS new (name type, …)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_core import to_json


def recordset(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as JSON for ``json_to_recordset``."""
    return to_json([dict(zip(columns, row, strict=True)) for row in rows]).decode()


def int_array(values: Iterable[int]) -> str:
    """Return integers as text for ``CAST(:name AS int[])``."""
    return "{" + ",".join(map(str, values)) + "}"
