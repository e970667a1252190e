"""The upload page without a script: files, the check, the look, one batch; and what its script asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from shared.context import Session
from shared.database import transaction
from shared.look import Look
from shared.uploads.uploads import NewUpload, add_upload
from tests.browser import OWN, Browser, browser_of, new_browser
from tests.uploading import picture, zipped

Files = list[tuple[str, tuple[str, bytes]]]


@pytest.fixture
def browser(session: Session) -> Browser:
    return browser_of(session, "shop")


def choose(browser: Browser, *files: tuple[str, bytes], addresses: str = "", at: str = "/upload") -> Any:
    """Send the form for files; return the answer, which leads to the draft."""
    form = browser.read(at).form("/upload").values
    values = {"csrf": form["csrf"], "draft": form["draft"], "addresses": addresses}
    sent: Files = [("files", file) for file in files]
    return browser.client.post("/upload", data=values, files=sent, headers=OWN, follow_redirects=False)


def draft_of(answer: Any) -> str:
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def start(browser: Browser, draft: str, **look: Any) -> Any:
    values = {"csrf": browser.read(draft).form(f"{draft}/start").values["csrf"], **look}
    return browser.client.post(f"{draft}/start", data=values, headers=OWN, follow_redirects=False)


def batches(session: Session) -> list[tuple[Any, ...]]:
    with transaction(session.engine) as connection:
        rows = connection.exec_driver_sql("SELECT name, total, queue FROM batches ORDER BY id").all()
    return [tuple(row) for row in rows]


def test_files_become_one_batch_however_often_start_is_pressed(session: Session, browser: Browser) -> None:
    feed = b"sku,image\nA,red.png\nB,gone.png\n<script>alert(1)</script>,red.png\n"
    draft = draft_of(choose(browser, ("feed.csv", feed), ("red.png", picture()), ("<b>.png", picture("blue"))))
    page = browser.read(draft)
    assert "gone.png" in page.text
    assert "<script>alert" not in page.text + browser.client.get(draft).text
    first, again, back = (start(browser, draft, styles=["udnie"], strength="0.5") for _ in range(3))
    assert first.status_code == 303, first.text
    assert first.headers["location"] == again.headers["location"] == back.headers["location"]
    assert re.fullmatch(r"/batches/[0-9a-f-]{36}", first.headers["location"])
    assert batches(session) == [("feed.csv", 3, "bulk")]
    assert start(browser, draft, styles=["udnie"]).headers["location"] != first.headers["location"]  # another look


def test_a_file_chosen_again_takes_the_place_of_the_one_before(session: Session, browser: Browser) -> None:
    draft = draft_of(choose(browser, ("red.png", picture()), ("feed.csv", b"sku,image\nA,rex.png\n")))
    assert "rex.png" in browser.read(draft).text
    again = choose(browser, ("feed.csv", b"sku,image\nA,red.png\n"), ("red.png", picture()), at=draft)
    assert draft_of(again) == draft
    assert "rex.png" not in browser.read(draft).text
    with transaction(session.engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM uploads").scalar_one() == 2


def test_chosen_styles_are_looks_of_their_own_or_one_mix(session: Session, browser: Browser) -> None:
    draft = draft_of(choose(browser, ("red.png", picture())))
    apart = {"styles": ["udnie", "pastel"], "share": "0.25"}
    assert start(browser, draft, **apart).status_code == 303
    assert start(browser, draft, **apart, mix="true").status_code == 303
    with transaction(session.engine) as connection:
        looks = connection.exec_driver_sql("SELECT look FROM jobs ORDER BY batch_id, ordinal").scalars()
        assert [Look.from_json(look).style for look in looks] == ["udnie", "pastel", "pastel:0.75,udnie:0.25"]


def test_rows_without_their_image_are_given_another_one(session: Session, browser: Browser) -> None:
    feed = b"sku,image,style\nA,gone.png,\nB,red.png,\nC,,\nD,red.png,nope\n"
    draft = draft_of(choose(browser, ("feed.csv", feed), ("red.png", picture()), ("blue.png", picture("blue"))))
    page = browser.read(draft)
    assert [attrs["value"] for tag, attrs in page.tags if attrs.get("name") == "lines"] == ["2", "4"]
    corrected = {"styles": ["udnie"], "lines": ["2", "4", "5"], "images": ["blue.png", "nowhere.png", ""]}
    values = {"csrf": page.form(f"{draft}/start").values["csrf"], **corrected}
    shown = browser.client.post(f"{draft}/look", data=values, headers=OWN, follow_redirects=False)
    again = browser.read(shown.headers["location"].partition("#")[0])
    fields = [attrs["value"] for tag, attrs in again.tags if attrs.get("name") in ("lines", "images")]
    assert fields == ["2", "blue.png", "4", "nowhere.png"]
    first, twice = (start(browser, draft, **corrected) for _ in range(2))
    assert first.headers["location"] == twice.headers["location"]
    assert start(browser, draft, styles=["udnie"]).headers["location"] != first.headers["location"]
    with transaction(session.engine) as connection:
        rows = connection.exec_driver_sql(
            "SELECT code, source <> '' FROM jobs ORDER BY batch_id, ordinal LIMIT 4"
        ).all()
    assert [tuple(row) for row in rows] == [
        (None, True),
        (None, True),
        ("image_not_found", False),
        ("unknown_style", False),
    ]


def test_addresses_of_pictures_are_taken_too(session: Session, browser: Browser) -> None:
    draft = draft_of(choose(browser, addresses="https://shop.example/a.jpg\n https://shop.example/b.jpg"))
    assert start(browser, draft, styles=["udnie"]).status_code == 303
    assert batches(session) == [("addresses.csv", 2, "bulk")]


REFUSED_FILES = [
    (("notes.docx", b"PK\3\4"), "", "notes.docx is not a supported manifest"),
    (("shop.zip", b"no zip"), "", "not a complete ZIP"),
    (("..", b"x"), "", "file name"),
    (None, "", "choose files"),
    (None, "/etc/passwd", "is no address"),
    (None, "https://shop.example/feed.xml", "download it, and choose the file"),
]


def test_what_cannot_be_taken_is_told_beside_its_field(session: Session, browser: Browser) -> None:
    for file, addresses, message in REFUSED_FILES:
        answer = choose(browser, *([file] if file else []), addresses=addresses)
        assert 400 <= answer.status_code < 500
        note = answer.text.partition(f'id="{"addresses" if addresses else "files"}-note"')[2]
        assert message in note[:400]
    with transaction(session.engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM uploads").scalar_one() == 0


REFUSED_LOOKS: list[tuple[dict[str, Any], str]] = [
    ({}, "choose at least one style"),
    ({"styles": ["nope"]}, "nope"),
    ({"styles": ["udnie"], "strength": "much"}, "strength"),
    ({"styles": ["udnie", "pastel"], "mix": "true", "share": "1"}, "not between 0 and 1"),
    ({"styles": ["udnie"], "texture_scale": "nan"}, "texture scale"),
    ({"styles": ["udnie"], "background": "picture:nope"}, "nope"),
    ({"styles": ["udnie"], "presets": ["nope"]}, "nope"),
]


def test_a_look_that_cannot_be_is_told(session: Session, browser: Browser) -> None:
    draft = draft_of(choose(browser, ("red.png", picture())))
    for look, message in REFUSED_LOOKS:
        answer = start(browser, draft, **look)
        assert (answer.status_code, message in answer.text) == (400, True), look
    assert batches(session) == []


def test_what_others_have_sent_is_not_there(session: Session, browser: Browser) -> None:
    draft = draft_of(choose(browser, ("red.png", picture())))
    other = browser_of(session, "other")
    assert other.client.get(draft).status_code == 404
    assert other.client.get(f"{draft}/previews/0?styles=udnie").status_code == 404
    csrf = other.read("/upload").form("/upload").values["csrf"]
    for path in ("start", "discard"):
        other.client.post(f"{draft}/{path}", data={"csrf": csrf, "styles": "udnie"}, headers=OWN)
    assert "red.png" in browser.read(draft).text
    assert batches(session) == []


def test_nothing_is_taken_without_the_token_of_the_form(session: Session, browser: Browser) -> None:
    draft = draft_of(choose(browser, ("red.png", picture())))
    assert browser.client.post(f"{draft}/start", data={"styles": "udnie"}, headers=OWN).status_code == 403
    assert browser.client.post(f"{draft}/files", json={"name": "a.png", "size": 1}, headers=OWN).status_code == 403
    assert batches(session) == []


def test_no_file_is_read_before_the_session_is_known(browser: Browser) -> None:
    browser.client.cookies = {"atelier_session": "made-up"}

    def body() -> Iterator[bytes]:
        yield b"--x\r\n"
        raise AssertionError("the file is read")

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = browser.client.post("/upload", content=body(), headers=OWN | kind, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_the_script_sends_parts_and_goes_on_where_it_broke_off(session: Session, browser: Browser) -> None:
    form = browser.read("/upload").form("/upload").values
    headers = OWN | {"X-CSRF-Token": form["csrf"]}
    data = zipped({"red.png": picture(), "noise.bin": bytes(range(256)) * 2**15})
    wanted = {"name": "shop.zip", "size": len(data)}
    begin = f"/upload/{form['draft']}/files"
    first = browser.client.post(begin, json=wanted, headers=headers).json()
    assert browser.client.put(first["parts"][0]["url"], content=data[: 2**22], headers=headers).status_code == 204
    assert "not sent completely" in browser.client.get("/upload").text
    again = browser.client.post(begin, json=wanted, headers=headers).json()
    assert (again["id"], [part["received"] for part in again["parts"]]) == (first["id"], [True, False, False])
    at = 2**22
    for part in again["parts"][1:]:
        assert browser.client.put(part["url"], content=data[at : at + part["size"]], headers=headers).status_code == 204
        at += part["size"]
    done = browser.client.post(f"/upload/files/{again['id']}/complete", headers=headers)
    assert (done.status_code, done.json()["kind"]) == (200, "archive")
    refused = browser.client.post(begin, json={"name": "../x", "size": 1}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_name")
    assert "Pictures to style" in browser.client.get(f"/upload/{form['draft']}").text


def test_previews_are_of_the_first_pictures_in_the_look_that_is_tried(session: Session, browser: Browser) -> None:
    archive = zipped({f"{name}.png": picture(name) for name in ("red", "blue", "green", "black")})
    draft = draft_of(choose(browser, ("shop.zip", archive)))
    tried = browser.send(draft, f"{draft}/start", styles=["udnie"])  # the same form as for previews
    assert tried.status_code == 303
    csrf = browser.read(draft).form(f"{draft}/start").values["csrf"]
    look = {"csrf": csrf, "styles": ["udnie"], "strength": "0.25"}
    shown = browser.client.post(f"{draft}/look", data=look, headers=OWN, follow_redirects=False)
    page = browser.client.get(shown.headers["location"]).text
    images = re.findall(r'<img src="(/upload/[^"]+/previews/[^"]+)"', page)
    assert len(images) == 3
    assert all("strength=0.25" in image and "csrf" not in image for image in images)
    assert browser.client.get(f"{draft}/previews/3?styles=udnie").status_code == 404


def test_pictures_of_styles_are_for_everybody_and_kept_for_ever(session: Session, browser: Browser) -> None:
    draft = draft_of(choose(browser, ("red.png", picture())))
    (address,) = re.findall(r'"(/style-pictures/[^"]+/great-wave\.jpg)"', browser.client.get(draft).text)
    found = new_browser(session).get(address)
    assert (found.status_code, found.headers["content-type"]) == (200, "image/jpeg")
    assert "immutable" in found.headers["cache-control"]
    assert browser.client.get("/style-pictures/x/great-wave.jpg").headers["cache-control"] == "no-cache"
    assert browser.client.get("/style-pictures/x/nope.jpg").status_code == 404


def test_a_draft_whose_files_are_gone_says_so(session: Session, browser: Browser) -> None:
    draft = draft_of(choose(browser, ("red.png", picture())))
    browser.send(draft, f"{draft}/discard")
    assert "choose them again" in browser.client.get(draft).text
    with transaction(session.engine) as connection:
        merchant = connection.exec_driver_sql("SELECT id FROM merchants").scalar_one()
        add_upload(connection, merchant, NewUpload("a.png", 5, 5))  # of the API, so of no draft
    assert "a.png" not in browser.read("/upload").text
