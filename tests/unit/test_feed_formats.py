"""Each line of the table of formats: what is read, and what comes back."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from producer.manifest import ManifestRow, open_manifest
from producer.output.feed_rewriting import rewrite_feed
from shared.errors import ManifestError
from tests.feed_formats import FORMATS, FeedFormat
from tests.unit.test_manifest_platforms import HOST

NEW = "https://new.example/"
each_format = pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.title)


def read(path: Path, content: str) -> list[ManifestRow]:
    path.write_text(content)
    return list(open_manifest([str(path)]).rows())


def given_back(path: Path, *, add: bool = False) -> str:
    out = io.BytesIO()
    rewrite_feed(path, None, lambda _, address: address.replace(HOST, NEW), out, add=add)
    return out.getvalue().decode()


def sources(rows: list[ManifestRow]) -> set[str]:
    return {row.source for row in rows}


@each_format
def test_format_has_as_many_images_pictures_and_skus_as_the_table_says(tmp_path: Path, one: FeedFormat) -> None:
    rows = read(tmp_path / one.file, one.content)
    assert all(row.error is None for row in rows)
    assert (len(rows), len(sources(rows)), len({row.sku for row in rows})) == (one.images, one.pictures, one.skus)
    assert open_manifest([str(tmp_path / one.file)]).format == one.format


@each_format
def test_format_comes_back_with_all_its_pictures_new(tmp_path: Path, one: FeedFormat) -> None:
    before = read(tmp_path / one.file, one.content)
    made = given_back(tmp_path / one.file)
    after = read(tmp_path / one.file, made)
    assert [(row.sku, row.source) for row in after] == [(row.sku, row.source.replace(HOST, NEW)) for row in before]
    assert made.replace(NEW, HOST) == one.content


@each_format
def test_format_takes_renditions_beside_its_pictures_or_says_that_it_cannot(tmp_path: Path, one: FeedFormat) -> None:
    before = read(tmp_path / one.file, one.content)
    if not one.added:
        with pytest.raises(ManifestError, match="no place for further pictures"):
            given_back(tmp_path / one.file, add=True)
        return
    after = read(tmp_path / one.file, given_back(tmp_path / one.file, add=True))
    assert sources(after) == sources(before) | {source.replace(HOST, NEW) for source in sources(before)}
    assert {row.sku for row in after} == {row.sku for row in before}
    assert all(row.error is None for row in after)
