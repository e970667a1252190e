"""Pages as browsers get them: who may see them, what other sites cannot do, and how a session ends."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from producer.api.pages.sign_in import local_path
from producer.pages.static_files import address
from shared.context import Session
from shared.database import transaction
from shared.merchants import keys
from shared.merchants.browser_sessions import form_token, make_code
from shared.merchants.merchants import merchant_id
from tests.browser import OWN, Browser, browser_of, new_browser
from tests.builders import add_waiting
from tests.html_page import HtmlPage


@pytest.fixture
def browser(session: Session) -> Browser:
    return browser_of(session, "shop")


def run(session: Session, statement: str) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text(statement))


def is_signed_in(browser: Browser) -> bool:
    return bool(browser.client.get("/", follow_redirects=False).status_code == 200)


def test_a_merchant_sees_its_own_batches_page_by_page(session: Session, browser: Browser) -> None:
    assert "No pictures yet" in browser.read("/").text
    with transaction(session.engine) as connection:
        names = [add_waiting(connection, "shop", 2).id for _ in range(27)]
        other = add_waiting(connection, "other", 1).id
    first = browser.read("/")
    links = [attrs["href"] for tag, attrs in first.tags if tag == "a"]
    assert [f"/batches/{one}" for one in reversed(names[2:])] == [one for one in links if "/batches/" in str(one)]
    (older,) = (attrs["href"] for tag, attrs in first.tags if tag == "a" and attrs.get("rel") == "next")
    second = browser.client.get(str(older)).text
    assert all(str(one) in second for one in names[:2])
    assert str(other) not in second + str(links)


def test_who_has_not_signed_in_is_led_there_and_back(session: Session) -> None:
    client = new_browser(session)
    answer = client.get("/?before=00000000-0000-0000-0000-000000000000", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/sign-in?next=/%3Fbefore%3D00000000-0000-0000-0000-000000000000",
    )
    assert HtmlPage(client.get(answer.headers["location"]).text).form("/sign-in").values["next"].startswith("/?before=")
    assert client.get("/", headers={"HX-Request": "true"}).headers["hx-redirect"] == "/sign-in"


def test_a_wrong_key_is_told_beside_its_field_and_guessing_is_slowed(session: Session) -> None:
    client = new_browser(session)
    answers = [
        client.post("/sign-in", data={"secret": "atelier_wrong"}, headers={**OWN, "Accept-Language": "zh"})
        for _ in range(30)
    ]
    assert answers[0].status_code == 401
    assert "此密钥不存在" in HtmlPage(answers[0].text).text
    assert answers[-1].status_code == 429
    right = browser_of(session, "shop").secret
    assert client.post("/sign-in", data={"secret": right}, headers=OWN, follow_redirects=False).status_code == 303


def test_a_session_ends_with_its_key_its_time_and_the_sign_out(session: Session, browser: Browser) -> None:
    for statement in (
        "UPDATE api_keys SET revoked_at = now()",
        "UPDATE api_keys SET expires_at = now() - interval '1 s'",
        "UPDATE browser_sessions SET expires_at = now() - interval '1 s'",
        "UPDATE merchants SET erasing_at = now()",
    ):
        assert is_signed_in(browser)
        run(session, statement)
        assert not is_signed_in(browser)
        run(session, "UPDATE api_keys SET revoked_at = NULL, expires_at = NULL")
        run(session, "UPDATE merchants SET erasing_at = NULL")
        browser = browser_of(session, "shop")
    token = browser.client.cookies["atelier_session"]
    browser.send("/", "/sign-out")
    browser.client.cookies.set("atelier_session", token)
    assert not is_signed_in(browser)


def test_a_code_signs_in_once_and_only_for_ten_minutes(session: Session) -> None:
    with transaction(session.engine) as connection:
        key, _ = keys.create_key(connection, merchant_id(connection, "shop"), "up")
        code, late, revoked = (make_code(connection, key) for _ in range(3))
        connection.execute(
            text("UPDATE sign_in_codes SET expires_at = now() WHERE sha256 = :sha256"), {"sha256": keys.digest(late)}
        )
    statuses = [
        new_browser(session).post("/sign-in", data={"secret": one}, headers=OWN, follow_redirects=False).status_code
        for one in (code, code, late)
    ]
    assert statuses == [303, 401, 401]
    run(session, "UPDATE api_keys SET revoked_at = now()")
    assert new_browser(session).post("/sign-in", data={"secret": revoked}, headers=OWN).status_code == 401


def test_other_sites_cannot_change_anything(session: Session, browser: Browser) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        assert browser.client.post("/sign-out", headers=headers).status_code == 403
        assert browser.client.post("/sign-in", data={"secret": browser.secret}, headers=headers).status_code == 403
    assert is_signed_in(browser)


def test_a_planted_session_is_not_taken_over(session: Session) -> None:
    attacker = browser_of(session, "shop").client.cookies["atelier_session"]
    victim = new_browser(session)
    victim.cookies.set("atelier_session", attacker)
    with transaction(session.engine) as connection:
        _, secret = keys.create_key(connection, merchant_id(connection, "victim"), "own")
    victim.post("/sign-in", data={"secret": secret}, headers=OWN, follow_redirects=False)
    thief = new_browser(session)
    thief.cookies.set("atelier_session", attacker)
    assert thief.get("/", follow_redirects=False).status_code == 303


def test_pages_are_served_under_our_own_names_alone(session: Session, browser: Browser) -> None:
    for host in ("localhost", "127.0.0.1:8080", "[::1]:8080", "127.9.9.9"):
        assert new_browser(session).get("/sign-in", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[", "a@localhost:x"):
        answer = new_browser(session).get("/sign-in", headers={"Host": host})
        assert (answer.status_code, "wrong_host" in answer.text) == (403, True), host


def test_a_cookie_is_for_this_host_alone_and_by_tls_secure(session: Session) -> None:
    secret = browser_of(session, "shop").secret
    plain = new_browser(session).post("/sign-in", data={"secret": secret}, headers=OWN, follow_redirects=False)
    assert plain.headers["set-cookie"].endswith("HttpOnly; Max-Age=604800; Path=/; SameSite=lax")
    client = new_browser(session)
    client.base_url = "https://127.0.0.1"
    tls = client.post("/sign-in", data={"secret": secret}, headers=OWN, follow_redirects=False)
    assert tls.headers["set-cookie"].startswith("__Host-atelier=")
    assert tls.headers["set-cookie"].endswith("; Secure")


def test_an_admins_key_opens_the_admins_page_and_no_merchants(session: Session) -> None:
    admin = browser_of(session, None)
    assert "admin" in admin.read("/", 403).text
    assert admin.client.get("/admin").status_code == 200


@pytest.mark.parametrize(
    "path", ["//evil", "/\\evil", "https://evil", "", "evil", "/a\nb", "/\t/evil", "/sign-out", "/sign-in?next=/"]
)
def test_a_sign_in_leads_nowhere_else(path: str) -> None:
    assert local_path(path) == ""
    assert local_path("/batches/1?state=failed") == "/batches/1?state=failed"


def test_nothing_comes_from_elsewhere_and_files_are_kept(session: Session, browser: Browser) -> None:
    answer = browser.client.get("/")
    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    page = HtmlPage(answer.text)
    sources = [attrs.get("src") or attrs.get("href") for tag, attrs in page.tags if tag in ("script", "link", "img")]
    assert len(sources) == 4
    size = len(answer.content)
    for one in sources:
        found = browser.client.get(str(one))
        assert (found.status_code, "immutable" in found.headers["cache-control"]) == (200, True)
        size += len(found.content)
    assert size < 150_000
    assert "<style" not in answer.text
    assert browser.client.get(address("pages.css").replace("pages.css", "htmx-LICENSE.txt")).status_code == 404
    assert browser.client.get("/static/x/pages.css").headers["cache-control"] == "no-cache"


def test_the_token_of_forms_belongs_to_one_session() -> None:
    assert form_token("a") != form_token("b")
