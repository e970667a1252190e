"""Taking local files into the store."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from producer.jobs_from_rows import read_pages
from producer.manifest import open_manifest
from producer.source_intake import Intake, local_path
from shared.errors import SourceRefused
from shared.look import Look
from shared.store import open_store

LOOK = Look((("udnie", 1.0),))


def intake(tmp_path: Path, max_bytes: int = 100) -> Intake:
    return Intake(open_store(f"file://{tmp_path / 'objects'}"), 1, max_bytes)


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", "é 🦊.jpg".encode(), b"a\nb.jpg", b"-x%41#?.jpg"])
def test_file_of_any_name_is_taken_once(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for twin in (name, b"twin-" + name):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + twin)).write_bytes(b"picture")
    taking = intake(tmp_path)
    taken = {taking.take(row.source).source for row in open_manifest([str(folder)]).rows()}
    assert len(taken) == 1
    assert taken.pop().startswith("store:sources/1/")


def test_file_over_the_limit_or_gone_is_refused_with_a_code(tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(101))
    with pytest.raises(SourceRefused) as caught:
        intake(tmp_path).take(large.as_uri())
    assert caught.value.code == "object_too_large"
    with pytest.raises(SourceRefused) as caught:
        intake(tmp_path).take((tmp_path / "gone.jpg").as_uri())
    assert caught.value.code == "image_not_readable"


def test_only_file_urls_name_a_local_path() -> None:
    assert local_path("s3://shop/a.jpg") is None
    assert local_path("file:///a%20b.jpg") == Path("/a b.jpg")


def test_files_taken_by_several_threads_stay_in_the_order_of_their_rows(tmp_path: Path) -> None:
    """One that is gone fails by itself, in its place."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.jpg").write_bytes(b"picture %d" % number)
    manifest = tmp_path / "rows.csv"
    names = ["0.jpg", "gone.jpg", *(f"{number}.jpg" for number in range(1, 8))]
    manifest.write_text("sku,image\n" + "".join(f"{n},in/{name}\n" for n, name in enumerate(names)))
    rows = open_manifest([str(manifest)]).rows()
    with intake(tmp_path) as taking:
        (page,) = read_pages(rows, lambda *_: [(LOOK, "")], taking, first=0)
    assert [job.sku for job in page.jobs] == [str(n) for n in range(9)]
    assert [job.code for job in page.jobs] == [None, "image_not_found", *[None] * 7]
    assert len({job.source for job in page.jobs}) == 9


def test_a_page_of_files_is_made_to_last_with_a_sync_for_each_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number}.jpg").write_bytes(b"picture %d" % number)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with intake(tmp_path) as taking:
        pages = list(read_pages(open_manifest([str(folder)]).rows(), lambda *_: [(LOOK, "")], taking, first=0))
    assert sum(len(page.jobs) for page in pages) == 1000
    folders = {sha256(b"picture %d" % number).hexdigest()[:2] for number in range(1000)}
    assert len(folders) <= len(synced) <= 300 * len(pages)
