"""Dry run: read the whole manifest and store nothing."""

from __future__ import annotations

from dataclasses import asdict

from producer.job_rows import row_looks
from producer.submit import Order
from shared.context import Session
from shared.database import transaction
from shared.errors import InvalidInput
from shared.merchants.merchants import allowed_sources, require_allowed
from shared.merchants.scope import scope
from shared.models.styles import require_styles, style_rows
from shared.models.versions import champion
from shared.proofs.rules import find_rules
from shared.proofs.sample import PROOF_IMAGES
from shared.queue.estimate import estimate, measure_rate
from shared.terminal import note, print_json, print_line

BAD_ROWS_SHOWN = 100


def rehearse(session: Session, order: Order, *, as_json: bool) -> None:
    """Read the whole manifest and print what would happen, with the first ``BAD_ROWS_SHOWN`` bad rows."""
    with transaction(session.engine) as connection:
        rate = measure_rate(connection)
    with scope(session.engine, order.merchant) as (connection, merchant_id):
        known = style_rows(connection, merchant_id, champion(connection).trunk_sha256)
        allowed = allowed_sources(connection, merchant_id)
        rules = find_rules(connection, merchant_id)
    require_styles((name for look in order.looks for name in look.styles), known)
    looks = row_looks(order.looks, known)
    rows = images = bad = 0
    problems: list[dict[str, object]] = []
    for row in order.manifest.rows():
        rows += 1
        try:
            if row.error is not None:
                raise row.error
            require_allowed(row.source, allowed)
            images += len(looks(row.style, row.strength))
        except InvalidInput as error:
            bad += 1
            if len(problems) < BAD_ROWS_SHOWN:
                problems.append({"line": row.line, "sku": row.sku, "code": error.code, "message": str(error)})
    price = estimate(images, rate, session.settings)
    if as_json:
        print_json({"rows": rows, "bad": bad, "bad_rows": problems} | asdict(price))
        return
    for problem in problems:
        print_line(f"line {problem['line']}: {problem['sku']}: {problem['message']} ({problem['code']})")
    if bad > len(problems):
        print_line(f"and {bad - len(problems)} more bad rows")
    takes = "" if price.seconds is None else f", in about {price.seconds / 60:.1f} minutes, for {price.cost:.2f}"
    print_line(f"{rows} rows, {bad} bad; {images} images would be styled{takes}")
    if images > PROOF_IMAGES and (order.proof or (rules and rules.above is not None and images > rules.above)):
        note(f"a sample of {PROOF_IMAGES} skus would be styled first")
    elif images > PROOF_IMAGES and rules and rules.new_looks:
        note(f"if a look is new, a sample of {PROOF_IMAGES} skus would be styled first")
