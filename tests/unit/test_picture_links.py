"""Names of renditions, and the addresses that a feed gets."""

from __future__ import annotations

from dataclasses import replace

from producer.output.names import BY_SOURCE
from producer.output.picture_links import PictureLinks, below
from producer.output.rendition_names import BatchNames
from shared.look import Look, parse_mix
from shared.queue.jobs import JobResult, JobState

BASE = "https://cdn.example/new"
INK = Look(parse_mix("ink-wash"))


def job(ordinal: int, sku: str, address: str, *, failed: bool = False, line: int | None = None) -> JobResult:
    return JobResult(
        ordinal=ordinal,
        line=ordinal + 2 if line is None else line,
        sku=sku,
        image=address,
        output=f"photos/{ordinal}",
        look=INK,
        input={"sku": sku, "image": address},
        state=JobState.FAILED if failed else JobState.SUCCEEDED,
        reused=False,
        code="unreadable_image" if failed else None,
        message=None,
        retryable=False,
        preset=None if failed else "webp",
        object_key=None if failed else f"renditions/1/{ordinal}.webp",
        width=10,
        height=10,
        quality=None,
    )


def links(*jobs: JobResult, names: str = "sku", first_only: bool = False) -> PictureLinks:
    made = PictureLinks(below(BASE), first_only=first_only)
    made.add(jobs, BatchNames(names))
    return made


def test_name_says_sku_position_and_style() -> None:
    made = links(job(0, "MUG 1/é", "a"), job(1, "MUG 1/é", "b"), job(2, "LAMP", "c"))
    assert [one.name for one in made.renditions()] == [
        "MUG 1-é-1-ink-wash.webp",
        "MUG 1-é-2-ink-wash.webp",
        "LAMP-1-ink-wash.webp",
    ]
    assert made.find(2, "a") == f"{BASE}/MUG%201-%C3%A9-1-ink-wash.webp"


def test_failed_picture_keeps_its_position_and_its_old_address() -> None:
    made = links(job(0, "A", "a", failed=True), job(1, "A", "b"))
    assert made.find(2, "a") is None
    assert made.find(3, "b") == f"{BASE}/A-2-ink-wash.webp"


def test_picture_of_two_products_has_the_name_of_each_and_elsewhere_that_of_the_first() -> None:
    made = links(job(0, "A", "same"), job(1, "B", "same"))
    assert made.find(2, "same") == f"{BASE}/A-1-ink-wash.webp"
    assert made.find(3, "same") == f"{BASE}/B-1-ink-wash.webp"
    assert made.find(99, "same") == f"{BASE}/A-1-ink-wash.webp"


def test_first_look_of_several_stands_in_the_feed() -> None:
    first = job(0, "A", "a")
    second = replace(job(1, "A", "a", line=2), look=Look(parse_mix("udnie")))
    made = links(first, second, job(2, "A", "b"))
    assert [one.name for one in made.renditions()] == ["A-1-ink-wash.webp", "A-2-ink-wash.webp"]


def test_skus_that_differ_only_in_case_get_names_that_do_not_clash() -> None:
    names = [one.name.casefold() for one in links(job(0, "a", "x"), job(1, "A", "y"), job(2, "a/b", "z")).renditions()]
    assert len(set(names)) == 3
    assert all("/" not in name for name in names)


def test_names_of_the_sources_are_those_of_a_download() -> None:
    assert links(job(0, "A", "a"), names=BY_SOURCE).find(2, "a") == f"{BASE}/photos/0.webp"


def test_only_the_first_picture_of_each_sku_is_new_if_it_is_wished() -> None:
    made = links(job(0, "A", "a"), job(1, "A", "b"), job(2, "B", "b"), first_only=True)
    assert [made.find(line, address) for line, address in ((2, "a"), (4, "b"))] == [
        f"{BASE}/A-1-ink-wash.webp",
        f"{BASE}/B-1-ink-wash.webp",
    ]
    assert [one.name for one in made.renditions()] == ["A-1-ink-wash.webp", "B-1-ink-wash.webp"]


def test_a_night_names_renditions_after_the_positions_of_the_catalogue() -> None:
    second = replace(job(0, "A", "b"), input={"sku": "A", "image": "b", "position": "2"})
    assert BatchNames("sku", knows_positions=True).name(second).name == "A-2-ink-wash"
