"""Rules for which of a merchant's uploads need approval of a sample. Nights have their own: see NightRules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from sqlalchemy import Connection, text

from shared.errors import UsageError
from shared.limits import MOST_IMAGES, MOST_MINUTES, require_above_zero, require_between, within_limits


@dataclass(frozen=True)
class ProofRules:
    """Which uploads need approval of a sample. None means no limit, or never.

    ``above``          uploads with more images than this.
    ``new_looks``      uploads with a look that no earlier batch of the merchant ran in, even in a single row.
    ``go_on_minutes``  waiting time after which the batch continues without approval.
    """

    above: int | None = None
    new_looks: bool = False
    go_on_minutes: float | None = None

    def __post_init__(self) -> None:
        if self.above is None and not self.new_looks:
            raise UsageError("choose which uploads need approval of a sample: --above N, --new-looks, or both")
        if self.above is not None:
            require_between("image limit of a proof rule", self.above, 0, MOST_IMAGES)
        if self.go_on_minutes is not None:
            require_above_zero("minutes that a proof waits", self.go_on_minutes, MOST_MINUTES)

    @property
    def json(self) -> str:
        """Return the rules as stored."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from what ``json`` returned."""
        return cls(**{**data} | within_limits(data, above=MOST_IMAGES, go_on_minutes=MOST_MINUTES))


def find_rules(connection: Connection, merchant: int) -> ProofRules | None:
    """Return a merchant's rules; None means that samples are made only on request."""
    rules = connection.execute(text("SELECT proof_rules FROM merchants WHERE id = :id"), {"id": merchant}).scalar_one()
    return None if rules is None else ProofRules.from_json(rules)


def set_rules(connection: Connection, merchant: int, rules: ProofRules | None) -> None:
    """Set or remove a merchant's rules, for batches that begin from now on."""
    connection.execute(
        text("UPDATE merchants SET proof_rules = CAST(:rules AS jsonb) WHERE id = :id"),
        {"id": merchant, "rules": None if rules is None else rules.json},
    )
