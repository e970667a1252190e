"""A batch that waits for approval says so, and may be approved by its own id; a retry of nothing says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.catalog_import import import_catalog
from producer.manifest import open_manifest
from producer.manifest.manifest import Manifest
from producer.manifest.row import ManifestRow
from shared.context import Session
from shared.database import transaction
from shared.merchants.actors import operator
from tests.atelier_command import command_over, printed
from tests.builders import add_proof, add_waiting


def test_a_waiting_batch_names_the_command_and_takes_its_own_id(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier = command_over(session, monkeypatch)
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 40)
        proof = add_proof(connection, batch.id)
        connection.exec_driver_sql("UPDATE batches SET paused = true")
    listed = atelier("status", "--merchant", "shop")
    assert "needs approval" in listed.stdout
    assert f"atelier proofs show {proof}" in listed.stderr
    assert f"atelier proofs approve {proof}" in atelier("status", batch.id, "--merchant", "shop").stderr
    assert printed(atelier("status", batch.id, "--merchant", "shop", "--json"))["proof"] == proof
    assert printed(atelier("proofs", "approve", batch.id, "--merchant", "shop", "--json"))["proof"] == proof
    assert printed(atelier("status", batch.id, "--merchant", "shop", "--json"))["proof"] is None


def test_a_retry_says_why_nothing_is_retried(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier = command_over(session, monkeypatch)
    (tmp_path / "rows.csv").write_text("sku,image,style\nA,https://shop.example/a.jpg,nosuch\n")
    batch = atelier("submit", tmp_path / "rows.csv", "--style", "udnie").stdout.strip()
    assert "the rows of all 1 failed images are invalid" in atelier("retry", batch).stderr
    with transaction(session.engine) as connection:
        waiting = add_waiting(connection, "local", 3)
    assert "no image of this batch has failed" in atelier("retry", waiting.id).stderr


class Watched(Manifest):
    """A feed that looks at the database while it is read."""

    def __init__(self, session: Session, path: Path) -> None:
        super().__init__(open_manifest([str(path)])._parts)
        self._session, self.open_transactions = session, 0

    def rows(self, skip: int = 0) -> Iterator[ManifestRow]:
        for row in super().rows(skip):
            yield row
            with transaction(self._session.engine) as connection:
                self.open_transactions += connection.exec_driver_sql(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
                ).scalar_one()


def test_no_transaction_is_open_while_a_feed_is_imported(session: Session, tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("sku,image\n" + "".join(f"{n},https://shop.example/{n}.jpg\n" for n in range(9)))
    feed = Watched(session, tmp_path / "feed.csv")
    assert import_catalog(session, operator("shop"), feed, lambda *_: None).added == 9
    assert feed.open_transactions == 0
