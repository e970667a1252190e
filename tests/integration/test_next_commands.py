"""The commands that Atelier tells a merchant to type next name that merchant, and say what failed already."""

from pathlib import Path

import pytest

from shared.context import Session
from shared.merchants.merchants import LOCAL_MERCHANT
from tests.atelier_command import command_over


def test_a_submission_names_the_merchant_and_the_rows_that_failed(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest = tmp_path / "feed.csv"
    manifest.write_text("sku,image\nA,missing.jpg\nB,gone.jpg\nC,https://shop.example/c.jpg\n")
    atelier = command_over(session, monkeypatch)
    done = atelier("submit", manifest, "--style", "udnie", "--merchant", "shop")
    batch = done.stdout.strip()
    assert "images accepted: 3" in done.stderr
    assert "`atelier status --merchant shop`" in done.stderr
    assert f"2 of them have failed already; the reasons: atelier failures {batch} --merchant shop" in done.stderr

    assert "--merchant names another" in str(atelier("status", batch).exception)


def test_the_default_merchant_is_not_repeated(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest = tmp_path / "feed.csv"
    manifest.write_text("sku,image\nA,https://shop.example/a.jpg\n")
    done = command_over(session, monkeypatch)("submit", manifest, "--style", "udnie", "--merchant", LOCAL_MERCHANT)
    assert "`atelier status` shows them" in done.stderr
    assert "failed" not in done.stderr


def test_an_empty_list_names_its_merchant(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        "merchant shopp has no batches yet"
        in command_over(session, monkeypatch)("status", "--merchant", "shopp").stderr
    )


def test_a_misspelt_preset_is_suggested(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    manifest = tmp_path / "feed.csv"
    manifest.write_text("sku,image\nA,https://shop.example/a.jpg\n")
    done = command_over(session, monkeypatch)("submit", manifest, "--style", "udnie", "--preset", "shopfy")
    assert "did you mean 'shopify'" in str(done.exception)
