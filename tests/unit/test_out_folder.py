"""An output folder: nothing that Atelier did not write is ever replaced, removed or taken for a rendition."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from producer.local_run import expected_targets
from producer.manifest import open_manifest
from producer.output.out_folder import OutFolder, Target, out_path, prepare_folder
from producer.submit import Order
from shared.errors import ManifestError, UsageError
from shared.look import Look

LOOK = Look((("udnie", 1.0),))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


def written(out: Path, name: str, data: bytes = b"rendition") -> Path:
    OutFolder(out).write(name, data)
    return out / name


def refuse(out: Path, *targets: Target) -> str:
    with pytest.raises(UsageError) as caught:
        OutFolder(out).require_free(targets)
    assert caught.value.code in ("overwrites_files", "overwrites_source")
    return str(caught.value)


def test_a_file_of_somebody_elses_is_named_and_kept(out: Path) -> None:
    (out / "mug.jpg").write_bytes(b"photo")
    assert "mug.jpg" in refuse(out, Target("cup.jpg"), Target("mug.jpg"))
    with pytest.raises(UsageError):
        OutFolder(out).write("mug.jpg", b"rendition")
    assert (out / "mug.jpg").read_bytes() == b"photo"


@pytest.mark.parametrize("report", ["results.csv", "errors.csv", "gallery.html"])
def test_reports_are_never_written_over_files_of_somebody_elses(out: Path, report: str) -> None:
    (out / report).write_text("mine")
    assert report in refuse(out)
    with pytest.raises(UsageError), OutFolder(out).writing(report):
        (out / report).write_text("unreached")
    assert (out / report).read_text() == "mine"


def test_a_folder_in_the_place_of_a_report_is_refused_before_work_begins(out: Path) -> None:
    (out / "gallery.html").mkdir()
    assert "gallery.html" in refuse(out)


def test_a_file_in_the_place_of_a_folder_is_refused_before_work_begins(out: Path) -> None:
    (out / "udnie").write_text("mine")
    assert "udnie/mug.jpg" in refuse(out, Target("udnie/mug.jpg"))


def test_a_refusal_names_a_few_files_and_counts_the_others(out: Path) -> None:
    for number in range(9):
        (out / f"{number}.jpg").touch()
    said = refuse(out, *(Target(f"{number}.jpg") for number in range(9)))
    assert "0.jpg, 1.jpg, 2.jpg and 6 more" in said


def test_what_atelier_wrote_is_replaced_until_somebody_edits_it(out: Path) -> None:
    mug = written(out, "udnie/mug.jpg")
    OutFolder(out).require_free([Target("udnie/mug.jpg")])
    written(out, "udnie/mug.jpg", b"another")
    assert mug.read_bytes() == b"another"
    mug.write_bytes(b"retouched")
    refuse(out, Target("udnie/mug.jpg"))


def test_reports_are_replaced_until_somebody_edits_them(out: Path) -> None:
    for text in ("first", "second"):
        with OutFolder(out).writing("errors.csv"):
            (out / "errors.csv").write_text(text)
    OutFolder(out).require_free([])
    (out / "errors.csv").write_text("corrected")
    refuse(out)


def test_a_copied_folder_is_known_by_its_bytes(out: Path, tmp_path: Path) -> None:
    written(out, "mug.jpg")
    shutil.copytree(out, tmp_path / "copy", copy_function=shutil.copyfile)
    OutFolder(tmp_path / "copy").require_free([Target("mug.jpg")])


def test_the_very_bytes_that_would_be_written_are_no_obstacle(out: Path) -> None:
    """As in a folder that an earlier release wrote, which kept no record."""
    written(out, "mug.jpg")
    (out / ".atelier-written.jsonl").unlink()
    refuse(out, Target("mug.jpg"))
    OutFolder(out).write("mug.jpg", b"rendition")


def test_a_damaged_record_makes_files_somebody_elses(out: Path) -> None:
    written(out, "mug.jpg")
    (out / ".atelier-written.jsonl").write_text('["mug.jpg", 1\nnull\n[]\n')
    refuse(out, Target("mug.jpg"))


def test_a_link_is_never_followed_to_what_it_names(out: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")
    (out / "mug.jpg").symlink_to(photo)
    refuse(out, Target("mug.jpg"))


def test_a_rendition_that_is_itself_a_source_is_not_replaced(out: Path) -> None:
    mug = written(out, "mug.jpg")
    assert "photo" in refuse(out, Target("mug.jpg", source=mug))


def test_an_input_is_never_replaced_by_a_report(out: Path) -> None:
    with OutFolder(out).writing("errors.csv"):
        (out / "errors.csv").write_text("sku,image\n")
    with pytest.raises(UsageError, match="its own input"):
        prepare_folder(out, [str(out / "errors.csv")])


def test_an_empty_name_is_not_the_current_folder() -> None:
    with pytest.raises(UsageError, match="empty"):
        open_manifest([""])
    with pytest.raises(UsageError, match="empty"):
        out_path(" ")


def targets(folder: Path, *inputs: Path, looks: tuple[Look, ...] = (LOOK,), names: str | None = None) -> list[str]:
    order = Order("local", open_manifest([str(one) for one in inputs]), looks)
    return [target.name for target in expected_targets(order, (order.presets, {}), names)]


def test_an_order_knows_its_files_before_work_begins(tmp_path: Path) -> None:
    """Two photos of one name, into the folder where they lie: the first one's rendition has the second one's name."""
    photos = [tmp_path / "mug.png", tmp_path / "mug.jpg"]
    for photo in photos:
        photo.write_bytes(b"photo")
    assert targets(tmp_path, *photos) == ["mug.jpg", "mug-2.jpg"]
    with pytest.raises(UsageError, match="overwrite"):
        OutFolder(tmp_path).require_free(map(Target, targets(tmp_path, *photos)))
    both = (LOOK, Look((("pastel", 1.0),)))
    assert targets(tmp_path, photos[0], looks=both) == ["udnie/mug.jpg", "pastel/mug.jpg"]


def test_an_order_of_bad_rows_and_of_a_file_that_breaks_off_has_the_files_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "mug.png").write_bytes(b"photo")
    feed = tmp_path / "feed.jsonl"
    feed.write_text('{"sku": "a", "image": "mug.png"}\n{"sku": "b", "image": "gone.png"}\n')
    assert targets(tmp_path, feed) == ["a-1-udnie.jpg"]
    assert targets(tmp_path, feed, names="source") == ["mug.jpg"]


def test_a_second_run_leaves_the_renditions_of_the_first_out(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"photo")
    before = open_manifest([str(tmp_path)])
    written(tmp_path, "a.jpg")
    written(tmp_path, "pastel/b.jpg")
    after = open_manifest([str(tmp_path)])
    assert [row.sku for row in after.rows()] == ["a", "b"]
    assert after.fingerprint == before.fingerprint, "the same input: an interrupted run goes on"
    assert any("2 renditions" in note for note in after.notes)
    by_name = open_manifest([str(path) for path in (tmp_path / "a.jpg", tmp_path / "a.png")])
    assert [row.sku for row in by_name.rows()] == ["a"]


def test_renditions_alone_are_no_input(tmp_path: Path) -> None:
    mug = written(tmp_path, "pastel/mug.jpg")
    for name in (mug, mug.parent):
        with pytest.raises(ManifestError, match="only renditions"):
            open_manifest([str(name)])


def test_a_photo_put_in_a_renditions_place_is_an_input(tmp_path: Path) -> None:
    mug = written(tmp_path, "mug.jpg")
    mug.write_bytes(b"a new photo")
    assert [row.sku for row in open_manifest([str(tmp_path)]).rows()] == ["mug"]


def test_no_folder_of_renditions_has_the_name_of_a_report(tmp_path: Path) -> None:
    (tmp_path / "Gallery.html").mkdir()
    (tmp_path / "Gallery.html" / "mug.png").write_bytes(b"photo")
    assert [row.output for row in open_manifest([str(tmp_path)]).rows()] == ["Gallery.html_/mug"]
