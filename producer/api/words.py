"""What callers write: words that Postgres can hold, reasons, and names by which something is asked for once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header
from pydantic import StringConstraints

MOST = 2**63 - 1
"""The largest number of a row."""

Words = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
"""What Postgres can hold."""

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
"""Why something was done, for the history and the audit log."""

KEY = "^[!-~]{1,200}$"
"""A name by which something is asked for once."""

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern=KEY)]
