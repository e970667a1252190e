"""Types of strings from callers: text that Postgres can store, reasons, and idempotency keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header
from pydantic import StringConstraints

MOST = 2**63 - 1
"""Largest id of a row."""

Words = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
"""Text that Postgres can store."""

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
"""Reason of a change, for the history and the audit log."""

KEY = "^[!-~]{1,200}$"
"""Pattern of an idempotency key."""

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern=KEY)]
