"""results.csv and errors.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from producer.output.results import Result, write_results
from shared.errors import UsageError
from shared.quality.gate import FIGURES
from shared.strength import Strength


def result(ordinal: int, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "ordinal": ordinal,
        "line": ordinal + 1,
        "sku": f"SKU-{ordinal}",
        "source": f"s3://shop/{ordinal}.jpg",
        "style": "udnie",
        "strength": Strength(0.7),
        "protect": "none",
        "background": "keep",
        "state": "succeeded",
        "output": f"{ordinal}.webp",
        "width": 640,
        "height": 480,
        "reused": False,
        "quality": {},
        "code": None,
        "message": None,
        "retryable": False,
        "columns": {},
        "source_path": None,
    }
    return Result(**fields | changes)


def failed(ordinal: int, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "state": "failed",
        "output": None,
        "width": None,
        "height": None,
        "code": "source_unavailable",
        "message": "the host answered 503: try later",
        "retryable": True,
    }
    return result(ordinal, **fields | changes)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_job_has_a_row_in_results(tmp_path: Path) -> None:
    nothing = dict.fromkeys(FIGURES, "")
    figures = nothing | {"product_delta_e": "4.25", "lettering": "0.98"}
    stored = {"position": 2, "address": "s3://store/x.webp", "bytes": 7}
    first = result(1, reused=True, quality={"product_delta_e": 4.25, "lettering": 0.98, "strength": 0.7}, **stored)
    jobs = [first, failed(2), result(3, state="cancelled", output=None, width=None, height=None)]
    write_results(tmp_path, jobs, ())
    assert read(tmp_path / "results.csv") == [
        {
            "sku": "SKU-1",
            "source": "s3://shop/1.jpg",
            "output": "1.webp",
            "style": "udnie",
            "strength": "0.7",
            "protect": "none",
            "background": "keep",
            "state": "succeeded",
            "width": "640",
            "height": "480",
            "reused": "true",
            **figures,
            "preset": "",
            "published": "true",
            "reason": "",
            "position": "2",
            "address": "s3://store/x.webp",
            "bytes": "7",
        },
        {
            "sku": "SKU-2",
            "source": "s3://shop/2.jpg",
            "output": "",
            "style": "udnie",
            "strength": "0.7",
            "protect": "none",
            "background": "keep",
            "state": "failed",
            "width": "",
            "height": "",
            "reused": "false",
            **nothing,
            "preset": "",
            "published": "false",
            "reason": "",
            "position": "1",
            "address": "",
            "bytes": "",
        },
        {
            "sku": "SKU-3",
            "source": "s3://shop/3.jpg",
            "output": "",
            "style": "udnie",
            "strength": "0.7",
            "protect": "none",
            "background": "keep",
            "state": "cancelled",
            "width": "",
            "height": "",
            "reused": "false",
            **nothing,
            "preset": "",
            "published": "false",
            "reason": "",
            "position": "1",
            "address": "",
            "bytes": "",
        },
    ]


def test_only_failed_jobs_stand_in_errors_with_the_columns_of_the_input(tmp_path: Path) -> None:
    row = {"Artikel": "Ä1", "Bild": "a.jpg", "Preis": "12"}
    write_results(tmp_path, [result(1), failed(2, columns=row)], ("Artikel", "Bild", "Preis"))
    message = "the host answered 503: try later"
    assert read(tmp_path / "errors.csv") == [
        row | {"code": "source_unavailable", "message": message, "retryable": "true"}
    ]


def test_errors_name_local_images_by_their_whole_path(tmp_path: Path) -> None:
    """errors.csv seldom lies where the manifest did, from where its relative paths start."""
    photo = Path("/shop/in/a.jpg")
    local = failed(1, source=str(photo), source_path=photo, columns={"Image Src": "in/a.jpg"})
    remote = failed(2, columns={"Image Src": "https://x.example/a.jpg"})
    write_results(tmp_path, [local, remote], ("Image Src",))
    assert [row["Image Src"] for row in read(tmp_path / "errors.csv")] == ["/shop/in/a.jpg", "https://x.example/a.jpg"]


def test_errors_of_a_listing_name_sku_image_and_look(tmp_path: Path) -> None:
    write_results(tmp_path, [failed(1, source="file:///shop/a%20b.jpg", retryable=False)], ())
    (row,) = read(tmp_path / "errors.csv")
    assert list(row) == ["sku", "image", "style", "strength", "protect", "background", "code", "message", "retryable"]
    assert (row["sku"], row["image"], row["retryable"]) == ("SKU-1", "file:///shop/a%20b.jpg", "false")


def test_an_errors_file_submitted_again_gets_the_new_reasons(tmp_path: Path) -> None:
    row = {"sku": "1", "image": "a.jpg", "code": "old", "message": "old", "retryable": "false"}
    write_results(tmp_path, [failed(1, columns=row)], tuple(row))
    (again,) = read(tmp_path / "errors.csv")
    assert list(again) == list(row)
    assert (again["code"], again["retryable"]) == ("source_unavailable", "true")


def test_errors_of_an_earlier_run_go_when_nothing_failed(tmp_path: Path) -> None:
    (tmp_path / "errors.csv").write_text("old")
    write_results(tmp_path, [result(1)], ("sku", "image"))
    assert not (tmp_path / "errors.csv").exists()


def test_results_may_be_a_stream_that_is_read_once(tmp_path: Path) -> None:
    def stream() -> Iterator[Result]:
        for ordinal in range(1, 1001):
            yield failed(ordinal) if ordinal % 10 == 0 else result(ordinal)

    write_results(tmp_path, stream(), ())
    assert len(read(tmp_path / "results.csv")) == 1000
    assert len(read(tmp_path / "errors.csv")) == 100


def test_no_formula_reaches_a_spreadsheet(tmp_path: Path) -> None:
    write_results(tmp_path, [failed(1, sku="=1+1", message='=HYPERLINK("x")')], ())
    assert read(tmp_path / "results.csv")[0]["sku"] == "'=1+1"
    assert read(tmp_path / "errors.csv")[0]["message"] == '\'=HYPERLINK("x")'


def test_a_folder_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"results\.csv"):
        write_results(tmp_path / "missing", [result(1)], ())
