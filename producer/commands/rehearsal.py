"""Print what a dry run has found."""

from __future__ import annotations

from dataclasses import asdict
from typing import NoReturn

import typer

from producer.dry_run import Rehearsal
from producer.output.summary import EXIT_FAILED_IMAGES
from shared.errors import ManifestError, exit_code
from shared.merchants.quotas import QuotaExceeded
from shared.proofs.sample import PROOF_IMAGES
from shared.terminal import note, print_json, print_line

EXIT_MANIFEST_REFUSED = exit_code(ManifestError(""))
EXIT_REFUSED = exit_code(QuotaExceeded(""))


def print_rehearsal(found: Rehearsal, *, as_json: bool) -> NoReturn:
    """Print what would happen. Exits 3 if nothing would be styled, 2 beyond the quota, 4 if some rows are bad."""
    if as_json:
        print_json(asdict(found))
        raise typer.Exit(_status(found))
    for row in found.bad_rows:
        print_line(f"line {row.line}: {row.sku}: {row.message} ({row.code})")
    if found.bad > len(found.bad_rows):
        print_line(f"and {found.bad - len(found.bad_rows)} more bad rows")
    takes = "" if found.seconds is None else f", in about {found.seconds / 60:.1f} minutes, for {found.cost:.2f}"
    print_line(
        f"{found.rows} rows, {found.bad} bad; {found.images} images of {found.products} products would be styled{takes}"
    )
    for sentence in found.warnings:
        note(sentence)
    if found.sample is not False:
        condition = "" if found.sample else "if a look is new, "
        note(f"{condition}a sample of {PROOF_IMAGES} skus would be styled first")
    raise typer.Exit(_status(found))


def _status(found: Rehearsal) -> int:
    if not found.images:
        return EXIT_MANIFEST_REFUSED
    if found.left is not None and found.images + found.repeated > found.left:
        return EXIT_REFUSED
    return EXIT_FAILED_IMAGES if found.bad else 0
