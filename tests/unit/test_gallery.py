"""gallery.html: one page, safe to open, whatever the merchant's words and files are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from producer.output.gallery import write_gallery
from producer.output.results import Result
from producer.output.summary import Summary
from producer.thumbnail import make_thumbnail
from shared.errors import UsageError
from shared.strength import Strength

SUMMARY = Summary("b1", "finished", 12, 11, 1, 0, 0, 41.3, 0.29, 0)
EVIL = "<script>alert(1)</script>"
ORIENTATION = 0x0112


class Page(HTMLParser):
    """What a browser would see: start tags with their attributes, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]

    @property
    def pictures(self) -> list[dict[str, str]]:
        return [image for image in self.having("img") if "src" in image]


def picture(path: Path, size: tuple[int, int] = (60, 80), colour: str = "teal") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def result(ordinal: int, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "ordinal": ordinal,
        "line": ordinal + 1,
        "sku": f"SKU-{ordinal}",
        "source": f"https://shop.example/{ordinal}.jpg?signature=secret",
        "style": "udnie",
        "strength": Strength(1.0),
        "protect": "none",
        "background": "keep",
        "state": "succeeded",
        "output": f"{ordinal}.png",
        "width": 600,
        "height": 800,
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
    fields = {"state": "failed", "output": None, "code": "truncated_image", "message": "it breaks off"}
    return result(ordinal, **fields | changes)


def page(out: Path, results: list[Result], title: str = "Autumn", **options: Any) -> Page:
    return Page(write_gallery(out, iter(results), title=title, summary=SUMMARY, **options))


def test_photo_and_rendition_stand_side_by_side_inside_the_page(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    photo = picture(tmp_path / "photos" / "1.png")
    seen = page(tmp_path, [result(1, source_path=photo)])
    assert [image["alt"] for image in seen.pictures] == ["SKU-1, the photo", "SKU-1 in udnie"]
    assert all(image["src"].startswith("data:image/webp;base64,") for image in seen.pictures)
    assert seen.having("a", href="./1.png")
    assert seen.having("div", **{"data-full": "./photos/1.png"})


def test_jobs_of_one_photo_form_one_group_even_when_others_stand_between(tmp_path: Path) -> None:
    jobs = [result(1), result(2), result(3, sku="SKU-1", source=result(1).source, style="great-wave")]
    seen = page(tmp_path, jobs)
    assert len(seen.having("article")) == 2
    first = seen.source.split("<article")[1]
    assert re.findall('data-style="([^"]*)"', first) == ["udnie", "great-wave"]


def test_a_style_that_failed_keeps_its_place_and_points_to_the_reason(tmp_path: Path) -> None:
    jobs = [failed(1, sku="A", source="a", style="udnie"), result(2, sku="A", source="a", style="great-wave")]
    seen = page(tmp_path, jobs)
    group = seen.source.split("<article")[1].split("</article>")[0]
    assert re.findall('data-style="([^"]*)"', group) == ["udnie", "great-wave"]
    assert seen.having("a", href="#job-1")
    assert seen.having("li", id="job-1")


def test_failed_jobs_are_listed_with_code_and_sentence(tmp_path: Path) -> None:
    seen = page(tmp_path, [failed(4, retryable=True, columns={"image": "4.jpg"})])
    for words in ("SKU-4", "truncated_image", "it breaks off", "line 5", "a retry may help"):
        assert words in seen.text
    assert seen.having("a", href="errors.csv")


def test_the_number_of_failures_leads_to_their_list_and_a_listing_has_no_lines(tmp_path: Path) -> None:
    seen = page(tmp_path, [failed(4)])
    assert seen.having("a", href="#failures")
    assert seen.having("section", id="failures")
    assert "line 5" not in seen.text


def test_no_word_of_a_merchant_becomes_markup(tmp_path: Path) -> None:
    words = {"sku": EVIL, "style": f'">{EVIL}', "source": f"file:///x/{EVIL}"}
    jobs = [result(1, **words), failed(2, code=EVIL, message=EVIL, **words)]
    seen = page(tmp_path, jobs, title=f"</title>{EVIL}")
    assert len(seen.having("script")) == 1
    assert EVIL not in seen.source
    assert EVIL in seen.text


@pytest.mark.parametrize(
    ("output", "link"),
    [
        ("a \"b\" 'c'#d?e%f.png", "./a%20%22b%22%20%27c%27%23d%3Fe%25f.png"),
        ("udnie/café 靴.png", "./udnie/caf%C3%A9%20%E9%9D%B4.png"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("//evil.example/x.png", ".///evil.example/x.png"),
    ],
)
def test_links_are_percent_encoded_and_relative(tmp_path: Path, output: str, link: str) -> None:
    assert page(tmp_path, [result(1, output=output)]).having("a", href=link)


def test_the_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    seen = page(tmp_path, [result(1), failed(2)])
    for _, attrs in seen.tags:
        for name in ("src", "href", "action", "data-full"):
            assert re.match(r"\./|#|data:|(results|errors)\.csv$|$", attrs.get(name, ""))
    assert "://" not in seen.source
    assert "url(" not in seen.source
    assert "@import" not in seen.source
    (policy,) = seen.having("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'")


def test_signatures_and_folders_of_sources_stay_out_of_the_page(tmp_path: Path) -> None:
    far = Path("/elsewhere/private/photo.png")
    seen = page(tmp_path, [result(1, source_path=far)])
    assert "secret" not in seen.source
    assert "private" not in seen.source


def test_more_renditions_than_the_limit_are_counted_and_not_shown(tmp_path: Path) -> None:
    seen = page(tmp_path, [result(n) for n in range(1, 1201)], thumbnails=5)
    assert len(seen.having("article")) == 5
    assert "Showing the first 5 of 1,200 renditions; all are listed in results.csv" in seen.text


def test_more_failures_than_the_limit_are_counted_and_not_shown(tmp_path: Path) -> None:
    seen = page(tmp_path, [failed(n) for n in range(1, 1201)], thumbnails=5)
    assert len(seen.having("li")) == 5
    assert "Showing the first 5; all are in results.csv" in seen.text
    assert "1,200" in seen.text


def test_many_failures_first_take_no_place_from_renditions(tmp_path: Path) -> None:
    jobs = [failed(n) for n in range(1, 20)] + [result(n) for n in range(20, 23)]
    assert len(page(tmp_path, jobs, thumbnails=3).having("article")) == 3


def test_pictures_that_cannot_be_read_get_a_tile_that_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    seen = page(tmp_path, [result(1, source_path=broken)])
    assert seen.text.count("No preview") == 2
    assert not seen.pictures
    assert seen.having("a", href="./1.png")


def test_chips_filter_by_the_styles_and_states_that_occur(tmp_path: Path) -> None:
    jobs = [result(1, reused=True), result(2, style="great-wave"), failed(3, sku="SKU-1", source=result(1).source)]
    seen = page(tmp_path, jobs)
    chips = [(chip["data-filter"], chip["data-value"]) for chip in seen.having("button") if "data-filter" in chip]
    assert [value for kind, value in chips if kind == "style"] == ["", "great-wave", "udnie"]
    assert [value for kind, value in chips if kind == "state"] == ["", "succeeded", "reused", "failed"]
    assert "failed 1" in seen.text


def test_a_page_without_any_job_still_opens(tmp_path: Path) -> None:
    assert "No renditions yet" in page(tmp_path, []).text


def test_an_older_page_stays_when_the_results_break_off(tmp_path: Path) -> None:
    def broken() -> Iterator[Result]:
        yield result(1)
        raise ConnectionError

    (tmp_path / "gallery.html").write_text("older")
    with pytest.raises(ConnectionError):
        write_gallery(tmp_path, broken(), title="x", summary=SUMMARY)
    assert [path.name for path in tmp_path.iterdir()] == ["gallery.html"]


def test_a_folder_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gallery\.html"):
        write_gallery(tmp_path / "missing", [], title="x", summary=SUMMARY)


def test_thumbnails_are_upright_and_bounded(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (1000, 500)).save(tmp_path / "turned.jpg", exif=exif)
    thumbnail = make_thumbnail(tmp_path / "turned.jpg")
    assert thumbnail is not None
    assert (thumbnail.width_px, thumbnail.height_px) == (180, 360)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_thumbnails_take_any_mode(tmp_path: Path, mode: str) -> None:
    suffix = "png" if mode in ("1", "L", "LA", "P", "RGBA") else "tif"
    Image.new(mode, (30, 20)).save(tmp_path / f"x.{suffix}")
    assert make_thumbnail(tmp_path / f"x.{suffix}") is not None


def test_huge_and_strange_files_have_no_thumbnail(tmp_path: Path) -> None:
    Image.new("1", (10_000, 6_000)).save(tmp_path / "huge.png")
    assert make_thumbnail(tmp_path / "huge.png") is None
    assert make_thumbnail(tmp_path) is None
    assert make_thumbnail(tmp_path / "missing.png") is None
    assert make_thumbnail(None) is None


def test_a_rendition_says_what_it_keeps_of_its_product(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    picture(tmp_path / "2.png")
    write_gallery(tmp_path, iter([result(1, protect="colour+lettering"), result(2)]), title="Autumn", summary=SUMMARY)
    text = (tmp_path / "gallery.html").read_text()
    assert text.count("keeps the product&#39;s colour and lettering") == 1
