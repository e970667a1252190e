"""The real command line with a real worker process, in a home of its own."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.processes import run_atelier


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "photos"
    (folder / "shoes").mkdir(parents=True)
    Image.linear_gradient("L").convert("RGB").save(folder / "mug.png")
    Image.radial_gradient("L").convert("RGB").save(folder / "shoes" / "red.jpg")
    return folder


def test_run_styles_a_folder_and_a_second_run_reuses_everything(photos: Path, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    done = run_atelier(home, "run", str(photos), "--style", "great-wave", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["state"], figures["total"], figures["succeeded"], figures["failed"]) == ("finished", 2, 2, 0)
    for name in ("mug.jpg", "shoes/red.jpg"):
        with Image.open(out / name) as rendition:
            assert rendition.size == (256, 256)
            assert len(set(rendition.tobytes())) > 20
    assert (out / "results.csv").exists()
    assert not (out / "errors.csv").exists()
    assert (out / "gallery.html").exists()
    again = json.loads(run_atelier(home, "run", str(photos), "-s", "great-wave", "-o", str(out), "--json").stdout)
    assert again["reused"] == 2
    assert not json.loads(run_atelier(home, "services", "status", "--json").stdout)["running"]


def test_nothing_that_atelier_did_not_write_is_replaced(photos: Path, tmp_path: Path) -> None:
    """Two photos of one name beside each other, styled into the folder where they lie; then again, elsewhere."""
    home, shop = tmp_path / "home", tmp_path / "shop"
    shop.mkdir()
    for name in ("mug.png", "mug.jpg"):
        (shop / name).write_bytes((photos / "mug.png").read_bytes())
    photo = (shop / "mug.jpg").read_bytes()
    inputs = (str(shop / "mug.png"), str(shop / "mug.jpg"), "--style", "udnie")
    refused = run_atelier(home, "run", *inputs, "--out", str(shop))
    assert refused.returncode == 2
    assert "mug.jpg" in refused.stderr
    assert (shop / "mug.jpg").read_bytes() == photo
    assert sorted(path.name for path in shop.iterdir()) == ["mug.jpg", "mug.png"]

    out = tmp_path / "out"
    batch = json.loads(run_atelier(home, "run", *inputs, "--out", str(out), "--json").stdout)["batch"]
    (shop / "results.csv").write_text("mine")
    refused = run_atelier(home, "download", batch, "--out", str(shop))
    assert refused.returncode == 2
    assert "results.csv" in refused.stderr
    assert (shop / "results.csv").read_text() == "mine"
    assert run_atelier(home, "download", batch, "--out", str(out)).returncode == 0
    assert run_atelier(home, "submit", str(out), "--style", "udnie").returncode == 3, "renditions are no input"


def test_a_broken_image_fails_alone(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.png").write_bytes((photos / "mug.png").read_bytes())
    (folder / "bad.jpg").write_bytes(b"not an image")
    done = run_atelier(tmp_path / "home", "run", str(folder), "-s", "udnie", "-o", str(tmp_path / "out"), "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["succeeded"] == 1
    assert "unsupported_format" in (tmp_path / "out" / "errors.csv").read_text()


def test_usage_errors_are_one_line_with_their_exit_code(photos: Path, tmp_path: Path) -> None:
    home, out = tmp_path / "home", str(tmp_path / "out")
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "rows.csv").write_text("sku,colour\n1,red\n")
    cases = {
        ("run", str(photos), "--style", "nope", "--out", out): 2,
        ("run", str(photos), "--style", "udnie", "--out", "/proc/nowhere"): 2,
        ("run", str(empty), "--style", "udnie", "--out", out): 3,
        ("run", str(tmp_path / "rows.csv"), "--style", "udnie", "--out", out): 3,
        ("status", "00000000"): 2,
        ("submit", "", "--style", "udnie"): 2,
        ("run", str(photos), "--style", "udnie", "--out", ""): 2,
    }
    for arguments, code in cases.items():
        done = run_atelier(home, *arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith("atelier: ")


def test_a_dry_run_names_every_row_that_would_fail(photos: Path, tmp_path: Path) -> None:
    feed = tmp_path / "feed.csv"
    mug = photos / "mug.png"
    feed.write_text(f"sku,image,style\na,{mug},\nb,{mug},nope\nc,{mug},udnie\n")
    done = run_atelier(tmp_path / "home", "submit", str(feed), "-s", "udnie", "--dry-run", "--json")
    assert done.returncode == 4, done.stderr
    found = json.loads(done.stdout)
    assert (found["rows"], found["images"]) == (3, 1), "two rows name one picture in one look"
    assert [(row["sku"], row["code"]) for row in found["bad_rows"]] == [("b", "unknown_style")]
