"""Dry run: read the whole manifest and store nothing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import NoReturn

import typer

from producer.jobs_from_rows import RowLooks, row_looks
from producer.manifest import Manifest
from producer.manifest.outputs import HashSet
from producer.output.summary import EXIT_FAILED_IMAGES
from producer.submit import Order
from shared.context import Session
from shared.database import transaction
from shared.errors import InvalidInput, ManifestError, exit_code
from shared.merchants.backgrounds import background_names
from shared.merchants.merchants import allowed_sources, require_allowed
from shared.merchants.presets import resolve_presets
from shared.merchants.scope import scope
from shared.models.styles import require_styles, style_rows
from shared.models.versions import champion
from shared.proofs.sample import PROOF_IMAGES
from shared.proofs.upload_rules import find_rules
from shared.queue.estimate import estimate, measure_rate
from shared.terminal import note, print_json, print_line

BAD_ROWS_SHOWN = 100

EXIT_MANIFEST_REFUSED = exit_code(ManifestError(""))


class Distinct:
    """Counts distinct values in 16 bytes or fewer each, since there may be millions."""

    def __init__(self) -> None:
        self.count = 0
        self._seen = HashSet()

    def add(self, value: Hashable) -> None:
        """Count a value if it is new."""
        self.count += self._seen.add(hash(value) & 0xFFFF_FFFF_FFFF_FFFF or 1)


@dataclass
class Survey:
    """What a manifest holds: its rows, its distinct pictures and products, and the first bad rows."""

    rows: int = 0
    bad: int = 0
    pictures: Distinct = field(default_factory=Distinct)
    products: Distinct = field(default_factory=Distinct)
    bad_rows: list[dict[str, object]] = field(default_factory=list)


def survey(manifest: Manifest, looks: RowLooks, allowed: Sequence[str]) -> Survey:
    """Read a whole manifest. A picture in a look counts once, however many rows name it."""
    seen = Survey()
    for row in manifest.rows():
        seen.rows += 1
        try:
            if row.error is not None:
                raise row.error
            require_allowed(row.source, allowed)
            for look, _ in looks(row.look):
                seen.pictures.add((row.source, look.json))
            seen.products.add(row.sku)
        except InvalidInput as error:
            seen.bad += 1
            if len(seen.bad_rows) < BAD_ROWS_SHOWN:
                seen.bad_rows.append({"line": row.line, "sku": row.sku, "code": error.code, "message": str(error)})
    return seen


def rehearse(session: Session, order: Order, *, as_json: bool) -> NoReturn:
    """Read the whole manifest and print what would happen, with the first ``BAD_ROWS_SHOWN`` bad rows.

    Exits 3 if nothing would be styled, 4 if some rows are bad.
    """
    with transaction(session.engine) as connection:
        rate = measure_rate(connection)
    with scope(session.engine, order.merchant) as (connection, merchant_id):
        known = style_rows(connection, merchant_id, champion(connection).trunk_sha256)
        allowed = allowed_sources(connection, merchant_id)
        rules = find_rules(connection, merchant_id)
        pictures = background_names(connection, merchant_id)
        resolve_presets(connection, merchant_id, order.presets)
    require_styles((name for look in order.looks for name in look.styles), known)
    manifest = order.manifest
    seen = survey(manifest, row_looks(order.looks, known, pictures), allowed)
    images = seen.pictures.count
    price = estimate(images, rate, session.settings)
    if as_json:
        counts = {"rows": seen.rows, "products": seen.products.count, "bad": seen.bad, "bad_rows": seen.bad_rows}
        print_json({"format": manifest.format, "warnings": manifest.notes} | counts | asdict(price))
        raise typer.Exit(_status(images, seen.bad))
    for problem in seen.bad_rows:
        print_line(f"line {problem['line']}: {problem['sku']}: {problem['message']} ({problem['code']})")
    if seen.bad > len(seen.bad_rows):
        print_line(f"and {seen.bad - len(seen.bad_rows)} more bad rows")
    takes = "" if price.seconds is None else f", in about {price.seconds / 60:.1f} minutes, for {price.cost:.2f}"
    print_line(
        f"{seen.rows} rows, {seen.bad} bad; {images} images of {seen.products.count} products would be styled{takes}"
    )
    for sentence in manifest.notes:
        note(sentence)
    if images > PROOF_IMAGES and (order.proof or (rules and rules.above is not None and images > rules.above)):
        note(f"a sample of {PROOF_IMAGES} skus would be styled first")
    elif images > PROOF_IMAGES and rules and rules.new_looks:
        note(f"if a look is new, a sample of {PROOF_IMAGES} skus would be styled first")
    raise typer.Exit(_status(images, seen.bad))


def _status(images: int, bad: int) -> int:
    """Return the exit code: 3 if nothing would be styled, 4 if some rows are bad."""
    if not images:
        return EXIT_MANIFEST_REFUSED
    return EXIT_FAILED_IMAGES if bad else 0
