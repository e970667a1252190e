"""A rendition never takes the place of the photo it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.output.export import spare_sources
from producer.output.results import Result
from shared.errors import UsageError


def rendition(source: Path, output: str) -> Result:
    return Result(
        ordinal=0,
        line=1,
        sku=source.stem,
        source=str(source),
        style="udnie",
        strength=1.0,
        state="succeeded",
        output=output,
        width=8,
        height=8,
        reused=False,
        code=None,
        message=None,
        retryable=False,
        columns={},
        source_path=source,
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "shop" / "pics" / "mug.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"photo")
    return path


def test_a_manifest_written_to_its_own_folder_is_refused(photo: Path) -> None:
    with pytest.raises(UsageError, match=r"would overwrite the photo .*mug\.jpg"):
        spare_sources(photo.parent.parent, [rendition(photo, "pics/mug.jpg")])


def test_a_link_to_the_photos_folder_is_seen_through(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photo.parent)
    with pytest.raises(UsageError):
        spare_sources(tmp_path / "link", [rendition(photo, "mug.jpg")])


@pytest.mark.parametrize("output", ["mug.png", "udnie/mug.jpg"])
def test_a_file_beside_the_photo_is_allowed(photo: Path, output: str) -> None:
    spare_sources(photo.parent, [rendition(photo, output)])


def test_a_photo_that_is_gone_is_no_obstacle(photo: Path) -> None:
    photo.unlink()
    spare_sources(photo.parent, [rendition(photo, "mug.jpg")])
