"""When a merchant's uploads are proved first. Nights have rules of their own, see NightRules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from sqlalchemy import Connection, text

from shared.errors import UsageError


@dataclass(frozen=True)
class ProofRules:
    """Which uploads are proved first. None: no limit, or never.

    ``above``          those of more images.
    ``new_looks``      those with a look in which none of the merchant's batches went ahead, also of a single row.
    ``go_on_minutes``  so long a proof waits for somebody before the batch goes on without.
    """

    above: int | None = None
    new_looks: bool = False
    go_on_minutes: float | None = None

    def __post_init__(self) -> None:
        if self.above is None and not self.new_looks:
            raise UsageError("which uploads are proved first? Say --above N, --new-looks, or both")
        if self.above is not None and self.above < 0:
            raise UsageError(f"proofs of uploads above {self.above} images: say 0 or more")
        if self.go_on_minutes is not None and not self.go_on_minutes > 0:
            raise UsageError(f"a proof cannot wait for {self.go_on_minutes:g} minutes: say more than 0")

    @property
    def json(self) -> str:
        """As stored."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what ``json`` gave."""
        return cls(**data)


def find_rules(connection: Connection, merchant: int) -> ProofRules | None:
    """Return a merchant's rules, None where uploads are proved only if asked for."""
    found = connection.execute(text("SELECT proof_rules FROM merchants WHERE id = :id"), {"id": merchant}).scalar_one()
    return None if found is None else ProofRules.from_json(found)


def set_rules(connection: Connection, merchant: int, rules: ProofRules | None) -> None:
    """Give a merchant rules, or none: for batches that begin from now on."""
    connection.execute(
        text("UPDATE merchants SET proof_rules = CAST(:rules AS jsonb) WHERE id = :id"),
        {"id": merchant, "rules": None if rules is None else rules.json},
    )
