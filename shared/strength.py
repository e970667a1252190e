"""Strength of a style, for the product and the scene around it apart."""

from __future__ import annotations

from typing import NamedTuple, Self

from shared.errors import UsageError


class Strength(NamedTuple):
    """Strength of a style, from 0 (the photo) to 1.

    ``scene``    of all that is painted.
    ``product``  of the product, where it differs; None if it is the same.
    """

    scene: float
    product: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``0.8``, or ``0.4/1.0`` for product and scene. Decimal commas are accepted.

        Raises UsageError if it is not one or two numbers from 0 to 1.
        """
        try:
            values = [float(part) for part in text.replace(",", ".").split("/")]
        except ValueError:
            values = []
        if not 1 <= len(values) <= 2 or not all(0 <= value <= 1 for value in values):
            raise UsageError(
                f"strength {text!r}: write a number from 0 to 1, or two for product and scene, as in 0.4/1.0"
            )
        return cls(values[-1], values[0] if len(values) == 2 else None)

    @property
    def on_product(self) -> float:
        """Return the strength on the product."""
        return self.scene if self.product is None else self.product

    @property
    def most(self) -> float:
        """Return the greater of the strengths."""
        return max(self.scene, self.on_product)

    def scaled(self, share: Strength) -> Strength:
        """Return a share of each of the strengths."""
        return Strength(share.scene * self.scene, share.on_product * self.on_product)

    def __str__(self) -> str:
        """Return the text that ``parse`` reads."""
        return f"{self.scene:g}" if self.product is None else f"{self.product:g}/{self.scene:g}"
