"""The page for admins, as browsers get it, and as other sites try to use it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text
from starlette.testclient import TestClient

from producer.api.admin.page import router
from producer.api.app import make_app
from shared.context import Session
from shared.crontab import Crontab
from shared.database import transaction
from shared.merchants import keys
from shared.merchants.merchants import merchant_id, set_consent
from shared.models.promotion.verdict_details import OwnStyles, PairedFigure, Part, VerdictDetails
from shared.models.promotion.verdicts import ContactSheet, VerdictFigures, add_verdict, judge
from shared.models.training import schedules
from shared.models.training.requests import RunSpec
from shared.queue import fleet
from tests.api_clients import PLACES, admin_key
from tests.builders import FAILED_IN, add_catalog, add_finished, add_waiting
from tests.candidates import add_version, champion_id
from tests.html_page import HtmlPage

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;"
OWN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Browser:
    """A browser that has been given a key as the password."""

    client: TestClient

    def read(self) -> HtmlPage:
        answer = self.client.get("/admin")
        assert answer.status_code == 200, answer.text
        return HtmlPage(answer.text)

    def send(self, action: str, **values: str) -> Any:
        """Fill in a form of the page, and send it."""
        form = self.read().form(action)
        assert set(form.required) <= values.keys()
        return self.client.post(action, data=form.values | values, headers=OWN, follow_redirects=False)


def client_with(session: Session, secret: str | None) -> TestClient:
    client = TestClient(make_app(session), raise_server_exceptions=False)
    if secret is not None:
        client.auth = ("anybody", secret)
    return client


@pytest.fixture
def browser(session: Session) -> Iterator[Browser]:
    with client_with(session, admin_key(session)) as client:
        yield Browser(client)


def audited(session: Session) -> list[str]:
    with transaction(session.engine) as connection:
        return list(connection.execute(text("SELECT what FROM audit ORDER BY id")).scalars())


def add_run(session: Session, reason: str, state: str, curve: list[dict[str, float]]) -> str:
    with transaction(session.engine) as connection:
        return str(
            connection.execute(
                text("""
                INSERT INTO training_runs (trigger, reason, who, depth, style_ids, start_id, config, steps, step, curve,
                                           state, finished_at)
                SELECT 'admin', :reason, 'me@here', 'decoder', '{}', v.id, '{}', 40, 20, CAST(:curve AS jsonb), :state,
                       CASE WHEN :state IN ('finished', 'failed') THEN now() END
                FROM model_versions v WHERE v.state = 'champion' RETURNING id
                """),
                {"reason": reason, "state": state, "curve": json.dumps(curve)},
            ).scalar_one()
        )


def test_nobody_sees_the_page_but_with_an_admins_key_as_the_password(session: Session) -> None:
    secret = admin_key(session)
    with transaction(session.engine) as connection:
        _, merchants = keys.create_key(connection, merchant_id(connection, "shop"), "webshop")
        _, revoked = keys.create_key(connection, None, "revoked")
        keys.revoke_key(connection, None, "revoked")
    pages = [one for one in page_routes() if "{" not in one[1]] + [("GET", "/admin/verdicts/1/sheet")]
    for wrong in (None, merchants, revoked, "", secret + "x"):
        with client_with(session, wrong) as client:
            for method, path in pages:
                answer = client.request(method, path, headers=OWN)
                assert answer.status_code == 401, path
                assert answer.headers["www-authenticate"] == 'Basic realm="Atelier", charset="UTF-8"'
                assert "Models" not in answer.text
    with client_with(session, None) as client:
        for odd in (f"Bearer {secret}", "Basic", "Basic ===", "Basic /w==", f"Basic {secret}", "Basic \xff"):
            assert client.get("/admin", headers={b"Authorization": odd.encode("latin-1")}).status_code == 401
    with client_with(session, secret) as client:
        assert client.get("/admin").status_code == 200


def page_routes() -> list[tuple[str, str]]:
    return [(method, one.path) for one in router.routes if isinstance(one, APIRoute) for method in one.methods or ()]


def test_the_page_lets_a_browser_run_and_show_nothing_but_its_own(browser: Browser) -> None:
    answer = browser.client.get("/admin")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    told = {name: answer.headers[name] for name in ("cache-control", "x-content-type-options", "referrer-policy")}
    assert told == {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "same-origin"}
    for tag, given in HtmlPage(answer.text).tags:
        assert not any(name.startswith("on") or name == "style" for name in given), tag
        assert not any(re.match("https?:|//", given.get(name) or "") for name in ("src", "href", "action")), given


def test_it_shows_models_training_nights_and_how_it_all_goes(session: Session, browser: Browser) -> None:
    first, second = champion_id(session), add_version(session, "second", without="pastel")
    better = {name: [{"combined": 0.9, "white_kept": 1.0}] * 2 for name in ("udnie", "pastel")}
    worse = better | {"pastel": [{"combined": 1.2, "white_kept": 1.0}] * 2}
    base = {name: [{"combined": 1.0, "white_kept": 1.0}] * 2 for name in better}
    changed = {"combined": PairedFigure(0.8, 1.0, -0.2, 0.05)}
    details = VerdictDetails(own_styles={"shop": OwnStyles(1, 2)}, parts={"live": Part(9, 1, changed)})
    figures = VerdictFigures(judge(worse, base, missing=["pastel", "shop/own"]), details)
    curve = [{"step": 10, "validation": 0.9}, {"step": 20, "validation": 0.4, "style": 0.2}]
    run = add_run(session, "new photos", "training", curve)
    add_run(session, "last year's", "failed", [])
    with transaction(session.engine) as connection:
        add_verdict(connection, (second, first), figures, ContactSheet("sheets/a.png"), "me@here")
        add_catalog(connection, add_finished(connection, "shop", FAILED_IN))
        add_waiting(connection, "shop", 1234)
        fleet.register(connection, uuid4(), "cuda:0", 3)
        schedules.set_schedule(connection, "drift", Crontab("0 3 * * 0", "UTC"), RunSpec(), datetime.now(UTC))
    session.store.put("sheets/a.png", b"picture")
    page = browser.read()
    for words in (
        "1 workers", "1,234 bulk images wait", "shop 100 photos unreadable_image 1",
        f"Version {first} champion", f"Version {second} candidate", "the candidate lacks: pastel",
        "live, 9 current catalogue images; combined 0.800, -0.200 ± 0.050 compared with the champion",
        "lost are 2 of 3 of shop",
        "pastel +20.0 % 0.0 % worse", "udnie −10.0 %", "on 2 photos",
        "new photos", "step 20 of 40", "validation 0.900 → 0.400", "last year's failed", "drift 0 3 * * 0 UTC",
        "shop 0 1 * * *", "planned", "for admin key ops",
    ):  # fmt: skip
        assert words in swapped(page.text), words
    assert next(given["points"] for tag, given in page.tags if tag == "polyline") == "83.0,6.0 160.0,90.0"
    (sheet,) = [given["src"] for tag, given in page.tags if tag == "img"]
    assert browser.client.get(str(sheet)).content == b"picture"
    assert f"live-{run}" in [given.get("id") for _, given in page.tags]


def swapped(words: str) -> str:
    """Labels stand above their figures in the markup, and below on the screen."""
    return re.sub(r"(workers|chunk slots|\w+ images wait) ([\d,]+)", r"\2 \1", words)


def test_it_is_looked_at_again_while_a_run_is_under_way_and_not_after(session: Session, browser: Browser) -> None:
    def refreshes() -> list[str | None]:
        tags = browser.read().tags
        return [given.get("content") for tag, given in tags if given.get("http-equiv") == "refresh"] + [
            given["data-refresh"] for tag, given in tags if tag == "body"
        ]

    assert refreshes() == ["0"]
    run = add_run(session, "new photos", "training", [])
    assert refreshes() == ["60", "5"]
    answer = browser.client.get("/admin/live")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    parts = HtmlPage(answer.text)
    assert [given["id"] for _, given in parts.tags if "data-live" in given] == ["fleet", f"live-{run}"]
    assert [given["id"] for _, given in browser.read().tags if "data-live" in given] == ["fleet", f"live-{run}"]
    assert "step 20 of 40" in parts.text
    assert browser.send(f"/admin/runs/{run}/cancel").headers["location"] == "/admin#training"
    assert refreshes() == ["0"]
    assert audited(session) == ["runs cancel"]


def test_models_are_promoted_rolled_back_and_retired_with_its_forms(session: Session, browser: Browser) -> None:
    first, second, third = champion_id(session), add_version(session, "second"), add_version(session, "third")
    promotes = f"/admin/models/{second}/promote"
    assert browser.send(promotes, reason="try it", canary_share="0.1").status_code == 303
    assert f"Version {second} canary 10 %" in browser.read().text
    forms = [form for form in browser.read().forms if form.action == promotes]
    (ends,) = [form for form in forms if form.values.get("canary_share") == "0"]
    browser.client.post(promotes, data=ends.values | {"reason": "seen enough"}, headers=OWN)
    done = browser.send(promotes, reason="it is better")
    assert (done.status_code, done.headers["location"]) == (303, "/admin#models")
    assert champion_id(session) == second
    stale = browser.read().form("/admin/models/rollback").values | {"reason": "worse after all"}
    assert browser.send("/admin/models/rollback", reason="worse after all").status_code == 303
    again = browser.client.post("/admin/models/rollback", data=stale, headers=OWN)
    assert again.status_code == 409
    assert "replaced" in HtmlPage(again.text).text
    assert champion_id(session) == first
    assert browser.send(f"/admin/models/{third}/retire", reason="no use").status_code == 303
    assert audited(session) == [f"models {what}" for what in ("promote", "promote", "promote", "rollback", "retire")]


def test_a_canary_can_be_ended_there_however_many_versions_came_after_it(
    session: Session, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.api.admin.page.VERSIONS", 1)
    second, _ = add_version(session, "second"), add_version(session, "third")
    assert f"Version {second} candidate" not in browser.read().text
    path = f"/admin/models/{second}/promote"
    browser.client.post(path, data={"reason": "try it", "canary_share": "0.1"}, headers=OWN)
    page = browser.read()
    assert f"Version {second} canary 10 %" in page.text
    (ends,) = [form for form in page.forms if form.action == path and form.values.get("canary_share") == "0"]
    assert "reason" in ends.required


def test_a_promotion_that_costs_merchants_their_styles_says_which(session: Session, browser: Browser) -> None:
    second = add_version(session, "second")
    with transaction(session.engine) as connection:
        connection.execute(
            text("""
            WITH style AS (INSERT INTO styles (merchant_id, name, title, artist, year, licence)
                           VALUES (:merchant, 'own<b>', '', '', '', '') RETURNING id)
            INSERT INTO style_rows (style_id, trunk_sha256, sha256, object_key)
            SELECT style.id, v.trunk_sha256, 'sha', 'key' FROM style, model_versions v WHERE v.state = 'champion'
            """),
            {"merchant": merchant_id(connection, "shop")},
        )
    at = f"/admin/models/{second}/promote"
    refused = browser.send(at, reason="it is better")
    assert (refused.status_code, "shop/own<b>" in HtmlPage(refused.text).text) == (409, True)
    done = browser.send(at, reason="it is better", without_own_styles="true")
    assert "cannot be used now: shop/own<b>." in HtmlPage(done.text).text
    assert champion_id(session) == second


def test_a_form_for_another_run_queues_one_however_often_it_is_sent(session: Session, browser: Browser) -> None:
    with transaction(session.engine) as connection:
        merchant = merchant_id(connection, "shop")
        set_consent(connection, merchant, consents=True)
        connection.execute(text("UPDATE styles SET pictures = '{sha}' WHERE name IN ('udnie', 'pastel')"))
        connection.execute(
            text("""
            INSERT INTO catalog_images (merchant_id, sku, position, image, source, output, pixels, content)
            SELECT :merchant, 'sku-' || n, 1, 'a', 'store:sources/' || encode(sha256(n::text::bytea), 'hex'), 'a', 1,
                   gen_random_uuid() FROM generate_series(1, 20) n
            """),
            {"merchant": merchant},
        )
    filled = browser.read().form("/admin/runs").values | {"reason": "autumn", "styles": "udnie, pastel", "steps": "7"}
    assert (filled["rule"], filled["canary_share"]) == ("never", "0")
    filled |= {"rule": "if-better", "canary_share": "0.1"}
    for _ in range(2):
        assert browser.client.post("/admin/runs", data=filled, headers=OWN, follow_redirects=False).status_code == 303
    with transaction(session.engine) as connection:
        rows = connection.execute(text("SELECT reason, depth, steps, state, rule, canary_share FROM training_runs"))
        assert [tuple(row) for row in rows] == [("autumn", "decoder", 7, "queued", "if-better", 0.1)]
    shown = browser.read().text
    assert "step 0 of 7" in shown
    assert "promoted if-better with a canary of 10 %" in shown
    refused = browser.send("/admin/runs", reason="winter", styles="nope")
    assert (refused.status_code, "unknown style 'nope'" in HtmlPage(refused.text).text) == (400, True)


def test_nights_rest_and_go_on_with_its_buttons(session: Session, browser: Browser) -> None:
    with transaction(session.engine) as connection:
        add_catalog(connection, add_finished(connection, "shop", 1))
        connection.execute(text("DELETE FROM pauses"))
    for pause, resume in (
        ("/admin/pause", "/admin/resume"),
        *[[f"/admin/merchants/shop/{how}" for how in ("pause", "resume")]],
    ):
        assert browser.send(pause).headers["location"] == "/admin#nights"
        assert "paused" in browser.read().text
        assert browser.send(resume).status_code == 303
        assert "paused" not in browser.read().text
    assert audited(session) == ["schedules pause", "schedules resume"] * 2


def test_another_site_changes_nothing_though_the_browser_sends_the_key_along(
    session: Session, browser: Browser
) -> None:
    version = add_version(session, "second")
    posts = [
        path.format(**PLACES | {"version": version, "merchant": "shop"}) for how, path in page_routes() if how == "POST"
    ]
    assert len(posts) >= 9
    filled = {"reason": "r", "key": "k", "champion": str(champion_id(session))}
    strangers: list[dict[str, str]] = [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.elsewhere.example"},
        {"Origin": "http://["},
        {},
    ]
    for path, headers in [*product(posts, strangers[:1]), *product(posts[:1], strangers)]:
        refused = browser.client.post(path, data=filled, headers=headers)
        assert refused.status_code == 403, (path, headers)
        assert "does not come from one of our own pages" in refused.text
    assert audited(session) == []
    own = browser.client.post("/admin/pause", headers={"Origin": "http://testserver"}, follow_redirects=False)
    assert own.status_code == 303
    assert audited(session) == ["schedules pause"]


def test_hostile_names_and_reasons_are_text(session: Session, browser: Browser) -> None:
    first, second = champion_id(session), add_version(session, "second")
    before = [tag for tag, _ in browser.read().tags]
    figures = {HOSTILE: [{"combined": 1.0, "white_kept": 1.0}] * 2}
    verdict = VerdictFigures(judge(figures, figures, missing=[HOSTILE], unmeasured=[HOSTILE]))
    add_run(session, HOSTILE, "failed", [{"step": 1, "validation": 1}])
    add_run(session, HOSTILE, "training", [{"step": 1, "validation": 1}])
    with transaction(session.engine) as connection:
        add_verdict(connection, (second, first), verdict, ContactSheet(HOSTILE), HOSTILE)
        batch = add_finished(connection, "shop", FAILED_IN)
        add_catalog(connection, batch)
        fleet.register(connection, uuid4(), HOSTILE, 3)
        for change in (
            "UPDATE workers SET host = :bad",
            "UPDATE batches SET name = :bad",
            "UPDATE jobs SET code = :bad WHERE state = 'failed'",
            "UPDATE merchants SET name = :bad",
            "UPDATE training_runs SET who = :bad, code = :bad, message = :bad",
        ):
            connection.execute(text(change), {"bad": HOSTILE})
    promoted = browser.send(f"/admin/models/{second}/promote", reason=HOSTILE, canary_share="0.5")
    assert promoted.status_code == 303
    page = browser.read()
    assert page.text.count(HOSTILE) >= 12
    assert {tag for tag, _ in page.tags} - set(before) <= {
        "img", "svg", "path", "polyline", "circle", "progress", "time", "code", "figure", "figcaption", "noscript", "b",
        "ul", "li", "br", "bdi", "h3", "small", "tr", "td", "th", "thead", "tbody", "table",
    }  # fmt: skip
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert [given["src"] for tag, given in page.tags if tag == "img"] == ["/admin/verdicts/1/sheet"]
    refused = browser.send("/admin/runs", reason="r", styles=HOSTILE)
    assert (refused.status_code, "<img src=x onerror" in HtmlPage(refused.text).text) == (400, True)


ODD = ["", "a\0b", "x" * 5000, "-1", "9" * 40, "nan"]


def test_whatever_a_form_sends_the_answer_is_a_page(session: Session, browser: Browser) -> None:
    add_version(session, "second")
    names = [
        "reason",
        "key",
        "champion",
        "canary_share",
        "without_own_styles",
        "train",
        "styles",
        "steps",
        "photos",
        "rule",
    ]
    good = {"reason": "r", "key": "k", "champion": "1", "steps": "1"}
    for path in [path for how, path in page_routes() if how == "POST"]:
        place = next(iter(re.findall("{(.*?)}", path)), None)
        sent = [good | {name: odd} for name in names for odd in ODD] if place is None else [good]
        for at in (
            [path] if place is None else [path.replace(f"{{{place}}}", odd) for odd in ("0", "9" * 40, "%00", "x")]
        ):
            for values in sent:
                answer = browser.client.post(at, data=values, headers=OWN, follow_redirects=False)
                assert answer.status_code < 500, (at, values, answer.text)
                if answer.status_code != 303:
                    assert answer.headers["content-type"] == "text/html; charset=utf-8", (at, values)
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert browser.client.post("/admin/runs", content=b"--x", headers=OWN | kind).status_code < 500
