"""ZIP archives: images and manifests in them are read, and nothing in them reaches anything outside."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from producer.manifest import Manifest, ManifestRow, open_manifest
from producer.manifest.formats.archive import Archive, member_of, member_source
from producer.source_intake import Intake
from shared.errors import InvalidInput, ManifestError
from shared.store import ObjectStore, open_store


def photo(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(buffer, "PNG")
    return buffer.getvalue()


def packed(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, data in members:
            archive.writestr(name, data)
    return path


def opened(path: Path, *, allow_local: bool = True) -> Manifest:
    return open_manifest([str(path)], allow_local=allow_local)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path / 'objects'}")


def outcome(store: ObjectStore, row: ManifestRow) -> str:
    """Return the code of a row that is refused when it is read or taken in, else ``taken``."""
    try:
        if row.error is not None:
            raise row.error
        taken = Intake(store, 1, 10_000).take(row.source)
    except InvalidInput as error:
        assert row.image
        return error.code
    assert taken.source.startswith("store:sources/1/")
    return "taken"


def outcomes(store: ObjectStore, path: Path) -> dict[str, str]:
    return {row.sku: outcome(store, row) for row in opened(path).rows()}


def test_images_of_an_archive_are_a_listing(tmp_path: Path, store: ObjectStore) -> None:
    names = ["b/Red.PNG", "a.png", "a!/#%?.png", "notes.txt", ".hidden.png", "__MACOSX/._a.png", "d\\e.png"]
    path = packed(tmp_path / "shöp!1.zip", *[(name, photo()) for name in names], ("empty/", b""))
    manifest = opened(path)
    rows = list(manifest.rows())
    assert [row.sku for row in rows] == ["b/Red", "a", "a!/#%?", "d/e"]
    assert [row.line for row in rows] == [1, 2, 3, 4]
    assert manifest.notes == ("shöp!1.zip: 1 files ignored, since they are not in a supported image format: 1 .txt",)
    assert [outcome(store, row) for row in rows] == ["taken"] * 4
    assert Intake(store, 1, 10_000).take(rows[0].source).pixels == 48
    assert len(list(store.list(""))) == 1  # the same bytes are the same object
    assert opened(path).fingerprint == manifest.fingerprint
    packed(path, *[(name, photo("blue")) for name in names])
    assert opened(path).fingerprint != manifest.fingerprint


def test_manifest_in_an_archive_names_its_members_and_nothing_else(tmp_path: Path, store: ObjectStore) -> None:
    (tmp_path / "secret.png").write_bytes(photo())
    other = packed(tmp_path / "other.zip", ("secret.png", photo()))
    images = {
        "red.png": "taken",
        "../top.png": "taken",
        "/top.png": "taken",
        "..\\top.png": "taken",
        "../../../../top.png": "taken",  # there is nothing above the archive
        "gone.png": "image_not_found",
        f"{tmp_path}/secret.png": "image_not_found",
        (tmp_path / "secret.png").as_uri(): "image_not_found",
        member_source(other, "secret.png"): "unsupported_source",
        "s3://shop/a.png": "source_not_allowed",
    }
    feed = "\n".join(["image", *images]).encode()
    path = packed(tmp_path / "shop.zip", ("new/feed.csv", feed), ("new/red.png", photo()), ("top.png", photo()))
    rows = list(opened(path).rows())
    assert [outcome(store, row) for row in rows] == list(images.values())
    assert [row.columns["image"] for row in rows] == list(images)
    assert rows[0].source == member_source(path, "new/red.png")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("feed.jsonl", '{"image": "red.png"}'),
        ("feed.json", '[{"image": "red.png"}]'),
        ("feed.xml", "<r><item><image>red.png</image></item></r>"),
        ("feed.tsv", "sku\timage\nA\tred.png"),
    ],
)
def test_manifest_of_any_kind_is_read_in_an_archive(
    tmp_path: Path, store: ObjectStore, name: str, content: str
) -> None:
    path = packed(tmp_path / "shop.zip", (name, content.encode()), ("red.png", photo()), ("data/more.csv", b"x"))
    (row,) = opened(path).rows()
    assert outcome(store, row) == "taken"


def test_several_manifests_are_one_too_many_and_loose_json_is_none(tmp_path: Path) -> None:
    path = packed(tmp_path / "shop.zip", ("a.csv", b"image\nx"), ("b.csv", b"image\nx"), ("c.png", photo()))
    with pytest.raises(ManifestError) as caught:
        opened(path)
    assert caught.value.code == "several_manifests"
    packed(path, ("a.json", b"{}"), ("b.json", b"{}"), ("c.png", photo()))
    assert [row.sku for row in opened(path).rows()] == ["c"]


def test_archive_sent_to_the_service_says_nowhere_where_it_lies(tmp_path: Path, store: ObjectStore) -> None:
    for members in ([("red.png", photo())], [("feed.csv", b"image\nred.png\n/etc/passwd"), ("red.png", photo())]):
        rows = list(opened(packed(tmp_path / "shop.zip", *members), allow_local=False).rows())
        assert outcome(store, rows[0]) == "taken"
        assert all(str(tmp_path) not in f"{row.image} {row.error}" for row in rows)
        assert rows[0].image == "red.png"


def test_failed_images_of_an_archive_can_be_submitted_again(tmp_path: Path, store: ObjectStore) -> None:
    path = packed(tmp_path / "shop.zip", ("a b/red.png", photo()))
    (row,) = opened(path).rows()
    (tmp_path / "errors.csv").write_text(f"sku,image,code\nA,{row.image},unreadable_image\n")
    (again,) = opened(tmp_path / "errors.csv").rows()
    assert outcome(store, again) == "taken"
    (served,) = opened(tmp_path / "errors.csv", allow_local=False).rows()
    assert outcome(store, served) == "unsupported_source"


def link(name: str, *, windows: bool = False) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 0 if windows else 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_member_that_leads_elsewhere_or_is_ambiguous_is_a_refused_row(tmp_path: Path, store: ObjectStore) -> None:
    members: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        ("good.png", photo()),
        ("../up.png", photo()),
        ("a/../../up2.png", photo()),
        ("/absolute.png", photo()),
        ("C:/drive.png", photo()),
        ("..\\back.png", photo()),
        (link("link.png"), b"/etc/passwd"),
        (link("link2.png", windows=True), b"../../secret.png"),
        ("twice.png", photo()),
        ("twice.png", photo("blue")),
        ("large.png", bytes(10_001)),
        ("a..b/fine..png.png", photo()),
    ]
    path = packed(tmp_path / "shop.zip", *members)
    found = [outcome(store, row) for row in opened(path).rows()]
    assert found == [
        "taken",
        *["archive_path"] * 5,
        *["archive_link"] * 2,
        *["archive_duplicate"] * 2,
        "object_too_large",
        "taken",
    ]
    assert not list(tmp_path.parent.glob("up*.png"))


def changed(path: Path, what: bytes, at: int, value: bytes) -> Path:
    """Change the bytes at an offset behind every occurrence of a signature."""
    data = bytearray(path.read_bytes())
    start = data.find(what)
    while start >= 0:
        data[start + at : start + at + len(value)] = value
        start = data.find(what, start + 1)
    path.write_bytes(data)
    return path


DIRECTORY = b"PK\1\2"
LOCAL = b"PK\3\4"


def with_encrypted_member(path: Path) -> Path:
    return changed(changed(path, DIRECTORY, 8, b"\1"), LOCAL, 6, b"\1")


def with_damaged_content(path: Path) -> Path:
    return changed(path, LOCAL, 45, b"\xff" * 8)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (with_encrypted_member, "archive_encrypted"),
        (with_damaged_content, "archive_damaged"),
        (lambda path: changed(path, DIRECTORY, 16, bytes(4)), "archive_damaged"),  # checksum
        (lambda path: changed(path, DIRECTORY, 24, struct.pack("<I", 5)), "archive_damaged"),  # says 5 bytes
        (lambda path: changed(path, DIRECTORY, 20, struct.pack("<I", 9)), "archive_damaged"),  # packed size
        (lambda path: changed(path, DIRECTORY, 42, struct.pack("<I", 7)), "archive_damaged"),  # place
        (lambda path: changed(path, DIRECTORY, 10, b"\x09"), "archive_method"),  # Deflate64
        (lambda path: changed(path, DIRECTORY, 10, b"\x0e"), "archive_method"),  # LZMA, whose header asks for memory
    ],
)
def test_damaged_member_is_a_refused_row(
    tmp_path: Path, store: ObjectStore, spoil: Callable[[Path], Path], code: str
) -> None:
    path = spoil(packed(tmp_path / "shop.zip", ("red.png", photo())))
    assert list(outcomes(store, path).values()) == [code]


def test_archive_that_would_explode_is_refused_by_its_directory(tmp_path: Path) -> None:
    path = packed(tmp_path / "shop.zip", *[(f"{n}.png", photo()) for n in range(3)])
    changed(path, DIRECTORY, 24, struct.pack("<I", 400 << 20))
    with pytest.raises(ManifestError) as caught:
        opened(path)
    assert caught.value.code == "archive_bomb"


def test_bomb_that_lies_about_its_size_is_read_no_further(tmp_path: Path, store: ObjectStore) -> None:
    path = packed(tmp_path / "shop.zip", ("red.png", bytes(50 << 20)))
    changed(path, DIRECTORY, 24, struct.pack("<I", 100))
    assert outcomes(store, path) == {"red": "archive_damaged"}


def test_manifest_that_is_damaged_in_its_archive_breaks_off(tmp_path: Path) -> None:
    feed = b"image\n" + b"".join(b"%d.png\n" % number for number in range(100_000))
    path = packed(tmp_path / "shop.zip", ("feed.csv", feed), method=zipfile.ZIP_STORED)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"99999.png", b"99998.png"))
    with pytest.raises(ManifestError) as caught:
        list(opened(path).rows())
    assert caught.value.code == "manifest_unreadable"
    assert "feed.csv of shop.zip" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK", b"image\nred.png\n", b"PK\5\6" + bytes(18), b"PK\3\4" + bytes(100)])
def test_what_is_no_archive_or_holds_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shop.zip"
    path.write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        opened(path)
    assert caught.value.code in ("bad_archive", "no_images")
    assert "shop.zip" in str(caught.value)


def test_directory_too_long_to_be_held_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.zip"
    size = 30 << 20
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, size, 0, 0))
    with pytest.raises(ManifestError, match="longer than"):
        Archive(path)


def test_member_of_reads_what_member_source_writes(tmp_path: Path) -> None:
    for archive, name in (("a!/b.zip", "c!/d.png"), ("ä#?%41.zip", "ü#?%41 x.png")):
        assert member_of(member_source(tmp_path / archive, name)) == (tmp_path / archive, name)
    for source in ("file:///a.zip!/b", "zip:///a.zip", "zip://host/a.zip!/b", "zip:a!/b"):
        assert member_of(source) is None
