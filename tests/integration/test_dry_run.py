"""What a dry run's exit code says, and a batch's rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from producer.output.summary import summarise
from shared.context import Session
from shared.database import transaction
from tests.atelier_command import command_over
from tests.builders import add_waiting


@pytest.mark.parametrize(("rows", "code"), [(["mug"], 0), (["mug", "gone"], 4), (["gone", "lost"], 3)])
@pytest.mark.parametrize("how", [[], ["--json"]], ids=["text", "json"])
def test_a_dry_run_says_by_its_exit_code_whether_rows_are_bad(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rows: list[str], code: int, how: list[str]
) -> None:
    (tmp_path / "mug.jpg").write_bytes(b"photo")
    feed = tmp_path / "feed.csv"
    feed.write_text("sku,image\n" + "".join(f"{name},{name}.jpg\n" for name in rows))
    atelier = command_over(session, monkeypatch)
    assert atelier("submit", feed, "-s", "udnie", "--dry-run", *how).exit_code == code


def test_images_that_failed_or_were_cancelled_are_not_counted_in_the_rate(session: Session) -> None:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 20)
    assert summarise(replace(batch, cancelled=12, failed=8)).images_per_second == 0
    assert summarise(replace(batch, succeeded=5, cancelled=15)).images_per_second > 0
