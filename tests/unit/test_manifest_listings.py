"""Folders, single images, patterns, S3 prefixes, and several inputs in a row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.manifest import open_manifest
from shared.errors import ManifestError, NotFound, SourceRefused, UsageError

SAMPLES = Path(__file__).parents[2] / "samples"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def outputs(*inputs: Path | str) -> list[str]:
    return [row.output for row in open_manifest([str(item) for item in inputs]).rows()]


def listing(*keys: str) -> list[str]:
    def list_prefix(url: str) -> Iterator[str]:
        return (f"s3://shop/{key}" for key in keys if f"s3://shop/{key}".startswith(url))

    return [row.source for row in open_manifest(["s3://shop/new"], list_prefix=list_prefix).rows()]


def test_samples_hold_pictures_alone_and_the_manifest_names_them_all() -> None:
    """`make demo` begins without a warning."""
    photos = open_manifest([str(SAMPLES / "photos")])
    catalogue = open_manifest([str(SAMPLES / "catalogue.csv")])
    assert photos.notes == catalogue.notes == ()
    assert sorted(row.source for row in photos.rows()) == sorted(row.source for row in catalogue.rows())


def test_folder_is_listed_recursively_and_sorted_by_path(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a/z.png", "a/deep/x.webp", "a.b.avif", "a-b/q.tiff")
    rows = list(open_manifest([str(tmp_path)]).rows())
    assert [row.sku for row in rows] == ["a-b/q", "a.b", "a/deep/x", "a/z", "b"]
    assert [row.line for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1].source == (tmp_path / "b.JPG").as_uri()
    assert all(row.error is None and row.columns == {} for row in rows)


def test_folder_skips_hidden_files_and_counts_other_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", ".hidden.jpg", ".git/b.jpg", "notes.txt", "sub/list.csv")
    manifest = open_manifest([str(tmp_path)])
    assert [row.output for row in manifest.rows()] == ["a"]
    assert manifest.ignored == 2
    assert manifest.notes == (
        f"{tmp_path}: 2 files ignored, since they are not in a supported image format: 1 .txt, 1 .csv",
        f"{tmp_path}: left out, since they are hidden or thumbnails that a system makes by itself:"
        " 1 hidden files, 1 hidden folders",
    )


def test_folder_names_what_it_leaves_out_by_extension(tmp_path: Path) -> None:
    """A merchant whose photos are HEIC must see it, and not 40 renditions of 90 photos."""
    touch(tmp_path, "a.jpg", "b.HEIC", "c.heic", "d.bmp", "odd.a b")
    (note,) = open_manifest([str(tmp_path)]).notes
    assert note.endswith(
        "4 files ignored, since they are not in a supported image format: 2 .heic, 1 .bmp, 1 without extension"
    )


def test_listing_is_named_by_its_last_folder_and_refused_by_the_name_given(tmp_path: Path) -> None:
    touch(tmp_path / "spring", "a.jpg")
    assert open_manifest([str(tmp_path / "spring")]).name == "spring"
    assert open_manifest([f"{tmp_path}/spring/*.jpg"]).name == "*.jpg"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ManifestError, match=str(empty)):
        open_manifest([str(empty)])


def test_folder_of_hostile_names_gives_each_its_own_storable_row(tmp_path: Path) -> None:
    names = ["-rf.jpg", "a b.jpg", "a\nb.jpg", "\x1b[31m.jpg", "%41.jpg", "#x?.jpg", "x" * 200 + ".jpg", "NUL.jpg"]
    names += ["A.jpg", "a.JPG", "a.png", "…/é.jpg", "e\u0301.jpg", "é.jpg", "🦊/🦊.webp", "__MACOSX/._a.jpg", "~$a.jpg"]
    touch(tmp_path, *names)
    rows = list(open_manifest([str(tmp_path)]).rows())
    assert len(rows) == len(names) - 1  # all but the hidden one
    assert len({row.output.casefold() for row in rows}) == len(rows)
    for row in rows:
        assert row.error is None
        assert row.output.isprintable()
        assert not row.output.startswith(("/", "."))


def test_folder_skips_links_that_leave_it_and_does_not_loop(tmp_path: Path) -> None:
    folder = touch(tmp_path / "in", "a.jpg", "sub/b.jpg")
    touch(tmp_path, "secret.jpg")
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "broken.jpg").symlink_to(tmp_path / "nothing.jpg")
    (folder / "inside.jpg").symlink_to(folder / "a.jpg")
    (folder / "sub" / "loop").symlink_to(folder)
    assert outputs(folder) == ["a", "inside", "sub/b"]


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(ManifestError, match="no images") as caught:
        open_manifest([str(tmp_path)])
    assert caught.value.code == "no_images"


def test_file_name_that_is_not_utf8_still_makes_a_storable_row(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb"):
        pass
    (row,) = open_manifest([str(tmp_path)]).rows()
    assert row.error is None
    assert row.source.endswith("/caf%E9.jpg")
    assert row.sku == "caf\N{REPLACEMENT CHARACTER}"
    row.output.encode()


def test_single_image_and_several_images_are_numbered_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "x/red.jpg", "y/red.jpg", "z.png")
    rows = list(open_manifest([str(tmp_path / name) for name in ("x/red.jpg", "y/red.jpg", "z.png")]).rows())
    assert [(row.line, row.sku, row.output) for row in rows] == [
        (1, "red", "red"),
        (2, "red", "red-2"),
        (3, "z", "z"),
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a"]),
        ("**/*.jpg", ["a", "s/b", "s/t/c"]),
        ("s/*.jpg", ["b"]),
        ("s/**", ["b", "t/c"]),
        ("*/?/[a-c].jpg", ["s/t/c"]),
    ],
)
def test_pattern_lists_relative_to_its_literal_folder(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(tmp_path, "a.jpg", "s/b.jpg", "s/t/c.jpg", "s/.h/d.jpg", "a.txt")
    assert outputs(f"{tmp_path}/{pattern}") == expected


def test_pattern_without_matches_is_refused(tmp_path: Path) -> None:
    for pattern in ("*.jpg", "nowhere/*.jpg"):
        with pytest.raises(ManifestError, match="no images"):
            open_manifest([f"{tmp_path}/{pattern}"])


def test_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    assert outputs(touch(tmp_path / "shoes[1]", "a.jpg")) == ["a"]


def test_prefix_is_a_folder_and_skips_markers_and_other_objects() -> None:
    keys = ("new/", "new/a.jpg", "new/b/c.PNG", "new/.h/d.jpg", "new/e.txt", "new-old/f.jpg")
    assert listing(*keys) == ["s3://shop/new/a.jpg", "s3://shop/new/b/c.PNG"]


def test_prefix_rows_are_named_relative_to_it() -> None:
    manifest = open_manifest(["s3://shop/new/"], list_prefix=lambda url: iter([url + "b/c.png"]))
    (row,) = manifest.rows()
    assert (row.line, row.sku, row.output, row.source) == (1, "b/c", "b/c", "s3://shop/new/b/c.png")


def test_prefix_that_is_one_image_needs_no_listing() -> None:
    def never(url: str) -> Iterator[str]:
        raise AssertionError(url)

    (row,) = open_manifest(["s3://shop/new/a.jpg"], list_prefix=never).rows()
    assert (row.sku, row.source) == ("a", "s3://shop/new/a.jpg")


def test_prefix_without_images_or_bucket_is_refused() -> None:
    with pytest.raises(ManifestError, match="no images"):
        open_manifest(["s3://shop/new"], list_prefix=lambda _: iter(()))
    with pytest.raises(SourceRefused):
        open_manifest(["s3://"], list_prefix=lambda _: iter(()))
    with pytest.raises(UsageError):
        open_manifest(["s3://shop/new"])


def test_inputs_that_do_not_exist_or_cannot_be_read_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        open_manifest([str(tmp_path / "nothing.jpg")])
    with pytest.raises(NotFound, match="neither"):
        open_manifest(["/dev/zero"])
    for inputs in ([], ["https://shop.example/a.jpg"], ["a\0b"]):
        with pytest.raises(UsageError):
            open_manifest(inputs)


def test_file_of_an_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    touch(tmp_path, "feed.xlsx")
    with pytest.raises(ManifestError, match=r"feed\.xlsx .*: save the sheet as CSV; .*\.csv .*\.zip .*\.jpg"):
        open_manifest([str(tmp_path / "feed.xlsx")])


def test_several_inputs_share_one_space_of_output_names(tmp_path: Path) -> None:
    touch(tmp_path, "one/red.jpg", "two/Red.png")
    (tmp_path / "m.csv").write_text("image\none/red.jpg\n")
    manifest = open_manifest([str(tmp_path / name) for name in ("one", "m.csv", "two")])
    assert [row.output for row in manifest.rows()] == ["red", "one/red", "Red-2"]
    assert manifest.columns == ("image",)
    assert [row.output for row in manifest.rows(skip=2)] == ["Red-2"]


def test_fingerprint_changes_with_the_listing_and_only_then(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    first = open_manifest([str(tmp_path)]).fingerprint
    assert open_manifest([str(tmp_path)]).fingerprint == first
    touch(tmp_path, "b.jpg")
    assert open_manifest([str(tmp_path)]).fingerprint != first


def test_service_opens_no_folder_image_or_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    for name in ("", "a.jpg", "*.jpg"):
        with pytest.raises(UsageError) as caught:
            open_manifest([f"{tmp_path}/{name}"], allow_local=False)
        assert caught.value.code == "local_path_refused"
