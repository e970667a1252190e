"""Taking local files into the store."""

import os
from pathlib import Path

import pytest

from producer.intake import Intake, local_path
from producer.manifest import open_manifest
from shared.errors import SourceRefused
from shared.store import open_store


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
