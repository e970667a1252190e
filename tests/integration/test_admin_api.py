"""What admins do over HTTP, and who may not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from producer.api.app import make_app
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, NotFound, UsageError
from shared.merchants.merchants import merchant_id, set_consent
from shared.models.promotion.verdicts import ContactSheet, VerdictFigures, add_verdict, judge
from shared.queue.fleet import register
from tests.api_clients import PLACES, admin_of, client_of
from tests.atelier_command import command_over, printed
from tests.builders import FAILED_IN, add_catalog, add_finished, add_waiting
from tests.candidates import add_version, champion_id


@pytest.fixture
def admin(session: Session) -> Iterator[TestClient]:
    with admin_of(session) as found:
        yield found


def audited(session: Session) -> list[tuple[str, str]]:
    """Who did what, oldest first."""
    with transaction(session.engine) as connection:
        return [tuple(row) for row in connection.execute(text("SELECT who, what FROM audit ORDER BY id"))]


def why(**more: Any) -> dict[str, Any]:
    return {"reason": "it is better"} | more


def test_an_admins_key_opens_what_admins_do_and_a_merchants_what_is_his_and_no_more(
    session: Session, admin: TestClient
) -> None:
    paths = make_app(session).openapi()["paths"]
    with client_of(session, "shop") as shop:
        for path, method in ((at, how) for at in paths for how in paths[at] if at.startswith("/v1")):
            stranger = shop if path.startswith("/v1/admin/") else admin
            answer = stranger.request(method.upper(), path.format(**PLACES))
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
    assert audited(session) == []


def test_keys_of_admins_are_made_listed_and_revoked_apart_from_those_of_merchants(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier = command_over(session, monkeypatch)
    made = printed(atelier("keys", "create", "--admin", "--name", "ops", "--json"))
    assert (made["merchant_id"], made["merchant"]) == (None, None)
    printed(atelier("keys", "create", "--merchant", "shop", "--name", "ops", "--json"))
    assert isinstance(atelier("keys", "create", "--admin", "--name", "ops").exception, Conflict)
    for unclear in (["create", "--name", "x"], ["revoke", "--name", "x", "--admin", "--merchant", "shop"]):
        assert isinstance(atelier("keys", *unclear).exception, UsageError)
    assert [one["merchant"] for one in printed(atelier("keys", "list", "--json"))] == ["shop", None]
    assert [one["merchant"] for one in printed(atelier("keys", "list", "--admin", "--json"))] == [None]
    assert [one["merchant"] for one in printed(atelier("keys", "list", "-m", "shop", "--json"))] == ["shop"]
    with TestClient(make_app(session), headers={"Authorization": f"Bearer {made['key']}"}) as admin:
        assert admin.get("/v1/admin/models").status_code == 200
        printed(atelier("keys", "revoke", "--admin", "--name", "ops", "--json"))
        assert admin.get("/v1/admin/models").status_code == 401
    assert isinstance(atelier("keys", "revoke", "--admin", "--name", "none").exception, NotFound)
    entries = printed(atelier("audit", "--json"))["entries"]
    assert [(one["what"], one["merchant"]) for one in entries][:2] == [
        ("key revoke", None),
        ("key create", "shop"),
    ]


def test_versions_are_listed_by_page_and_shown_with_verdict_sheet_and_history(
    session: Session, admin: TestClient
) -> None:
    first, second = champion_id(session), add_version(session, "second")
    figures = {"udnie": [{"combined": 1.0, "white_kept": 1.0}] * 2}
    with transaction(session.engine) as connection:
        verdict = add_verdict(
            connection,
            (second, first),
            VerdictFigures(judge(figures, figures)),
            ContactSheet("sheets/a.png"),
            "me@here",
        )
    page = admin.get("/v1/admin/models", params={"limit": 1}).json()
    assert [one["id"] for one in page["models"]] == [second]
    rest = admin.get("/v1/admin/models", params={"before": page["before"]}).json()
    assert [(one["id"], one["state"]) for one in rest["models"]] == [(first, "champion")]
    assert rest["before"] is None
    (shown,) = admin.get(f"/v1/admin/models/{second}").json()["verdicts"]
    assert (shown["id"], shown["champion_id"], shown["figures"]["change"]) == (verdict.id, first, 0)
    assert admin.get(shown["sheet"]).json()["code"] == "missing_object"
    session.store.put("sheets/a.png", b"picture")
    given = admin.get(shown["sheet"])
    assert (given.status_code, given.headers["content-type"], given.content) == (200, "image/png", b"picture")
    for nothing in ("models/99", "verdicts/99/sheet"):
        assert admin.get(f"/v1/admin/{nothing}").json()["code"] == "not_found"


def test_a_version_is_promoted_rolled_back_once_per_key_and_retired(session: Session, admin: TestClient) -> None:
    first, second, third = champion_id(session), add_version(session, "second"), add_version(session, "third")
    for version in (second, third):
        done = admin.post(f"/v1/admin/models/{version}/promote", json=why())
        assert (done.status_code, done.json()["state"]) == (200, "champion"), done.text
        assert done.json()["history"][-1]["who"] == "admin key ops"
    again = admin.post(f"/v1/admin/models/{third}/promote", json=why())
    assert (again.status_code, again.json()["code"]) == (409, "is_champion")
    back = admin.post("/v1/admin/models/rollback", json=why(champion=third))
    assert back.json() == {"champion": second, "previous": third, "lost_styles": []}
    twice = admin.post("/v1/admin/models/rollback", json=why(champion=third))
    assert (twice.status_code, twice.json()["code"]) == (409, "champion_changed")
    assert champion_id(session) == second
    fourth = add_version(session, "fourth")
    assert admin.post(f"/v1/admin/models/{fourth}/retire", json=why()).json()["state"] == "retired"
    for nothing in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "a\0"}, why(force=True)):
        assert admin.post(f"/v1/admin/models/{first}/promote", json=nothing).status_code == 422
    assert audited(session) == [
        ("admin key ops", f"models {what}") for what in ("promote", "promote", "rollback", "retire")
    ]


def test_a_canary_gets_its_share_and_gives_it_back(session: Session, admin: TestClient) -> None:
    second = add_version(session, "second")
    at = f"/v1/admin/models/{second}/promote"
    begun = admin.post(at, json=why(canary_share=0.1)).json()
    assert (begun["state"], begun["canary"]["share"]) == ("candidate", 0.1)
    assert admin.post(at, json=why(canary_share=0)).json()["canary"] is None
    assert admin.post(at, json=why(canary_share=0)).json()["code"] == "no_canary"
    assert admin.post(at, json=why(canary_share=1)).status_code == 422
    assert [what for _, what in audited(session)] == ["models promote"] * 2


@pytest.fixture
def photos(session: Session) -> None:
    """A style with a picture, and a merchant who consents that the model learns from his photos."""
    with transaction(session.engine) as connection:
        merchant = merchant_id(connection, "shop")
        set_consent(connection, merchant, consents=True)
        connection.execute(text("UPDATE styles SET pictures = '{sha}' WHERE name = 'udnie'"))
        connection.execute(
            text("""
            INSERT INTO catalog_images (merchant_id, sku, position, image, source, output, pixels, content)
            SELECT :merchant, 'sku-' || n, 1, 'a', 'store:sources/' || encode(sha256(n::text::bytea), 'hex'), 'a', 1,
                   gen_random_uuid() FROM generate_series(1, 20) n
            """),
            {"merchant": merchant},
        )


@pytest.mark.usefixtures("photos")
def test_a_run_is_queued_once_by_its_name_watched_and_cancelled(session: Session, admin: TestClient) -> None:
    def queue(**more: Any) -> Any:
        wish = {"reason": "new photos", "steps": 10, "styles": ["udnie"]} | more
        return admin.post("/v1/admin/runs", json=wish, headers={"Idempotency-Key": "autumn"})

    made, again = queue(), queue()
    assert (made.status_code, again.status_code) == (201, 200), made.text
    assert again.json() == made.json()
    run = made.json()
    assert (run["state"], run["reason"], run["who"]) == ("queued", "new photos", "admin key ops")
    others: list[dict[str, Any]] = [
        *({"steps": 11}, {"reason": "other photos"}, {"styles": []}, {"photos": 3}, {"config": {"rate": 0.1}}),
        *({"rule": "if-better"}, {"rule": "if-better", "canary_share": 0.1}, {"train": "all"}),
    ]
    for another in others:
        other = queue(**another)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused"), another
    at = made.headers["location"]
    assert admin.get(at).json() == run
    assert admin.get(at[:-4]).json() == run
    assert [one["id"] for one in admin.get("/v1/admin/runs").json()["runs"]] == [run["id"]]
    assert admin.get("/v1/admin/runs", params={"before": run["id"]}).json() == {"runs": [], "before": None}
    assert admin.post(f"{at}/cancel").json()["state"] == "cancelled"
    assert admin.post(f"{at}/cancel").status_code == 409
    assert audited(session)[-2:] == [("admin key ops", "retrain"), ("admin key ops", "runs cancel")]


@pytest.mark.usefixtures("photos")
def test_runs_requested_at_once_under_one_key_are_one_run(admin: TestClient) -> None:
    def queue(_: int) -> Any:
        wish = {"reason": "new photos", "styles": ["udnie"]}
        return admin.post("/v1/admin/runs", json=wish, headers={"Idempotency-Key": "autumn"})

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(queue, range(6)))
    assert sorted(one.status_code for one in answers) == [200] * 5 + [201]
    assert len({one.json()["id"] for one in answers}) == 1


@pytest.mark.usefixtures("photos")
def test_a_run_is_given_its_rule_and_shows_it(admin: TestClient) -> None:
    wish = {"reason": "r", "styles": ["udnie"], "rule": "if-better", "canary_share": 0.1}
    run = admin.post("/v1/admin/runs", json=wish).json()
    assert (run["rule"], run["canary_share"], run["verdict_id"]) == ("if-better", 0.1, None)
    for wrong, status in (({"rule": "always"}, 400), ({"rule": "never"}, 400), ({"canary_share": 1}, 422)):
        assert admin.post("/v1/admin/runs", json=wish | wrong).status_code == status, wrong


def test_a_run_that_cannot_be_is_refused_with_the_reason(admin: TestClient) -> None:
    for wish, status in (
        ({"reason": "r"}, 400),
        ({"reason": "r", "train": "style"}, 400),
        ({"reason": "r", "styles": ["nope"]}, 400),
        ({"reason": "r", "steps": 0}, 422),
        ({}, 422),
    ):
        assert admin.post("/v1/admin/runs", json=wish).status_code == status, wish
    assert admin.get("/v1/admin/runs").json()["runs"] == []


def test_a_schedule_that_is_read_and_put_again_loses_nothing(
    session: Session, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier = command_over(session, monkeypatch)
    printed(atelier("runs", "schedule", "0 3 * * *", "--rule", "if-better", "--canary", "10%", "--photos", 7, "--json"))
    (found,) = admin.get("/v1/admin/training-schedules").json()
    assert (found["rule"], found["canary_share"], found["photos"], found["config"]) == ("if-better", 0.1, 7, {})
    given = {name: value for name, value in found.items() if name not in ("trigger", "next")}
    assert admin.put("/v1/admin/training-schedules/schedule", json=given).json() == found
    (kept,) = printed(atelier("runs", "schedules", "--json"))
    assert (kept["rule"], kept["canary"]) == ("if-better", 0.1)


def test_training_begins_by_itself_when_an_admin_says_so(session: Session, admin: TestClient) -> None:
    at = "/v1/admin/training-schedules"
    made = admin.put(f"{at}/drift", json={"crontab": "0 3 * * 0", "zone": "Europe/Berlin", "steps": 50})
    assert made.status_code == 200, made.text
    assert (made.json()["trigger"], made.json()["steps"], len(made.json()["next"])) == ("drift", 50, 3)
    assert admin.get(at).json() == [made.json()]
    for wrong in ({"crontab": "0 0 30 2 *"}, {"crontab": "x"}, {"crontab": "0 3 * * 0", "train": "style"}):
        assert admin.put(f"{at}/schedule", json=wrong).status_code == 400, wrong
    assert admin.delete(f"{at}/drift").status_code == 204
    assert admin.delete(f"{at}/drift").status_code == 404
    assert [what for _, what in audited(session)] == ["runs schedule", "runs unschedule"]


def test_nights_rest_and_go_on_and_the_calendar_shows_it(session: Session, admin: TestClient) -> None:
    with client_of(session, "shop") as shop, client_of(session, "other") as other:
        for one in (shop, other):
            assert one.put("/v1/schedules/nightly", json={"crontab": "30 1 * * *"}).status_code == 200
    first = admin.get("/v1/admin/calendar", params={"limit": 1}).json()
    rest = admin.get("/v1/admin/calendar", params={"after": first["after"]}).json()
    assert [one["merchant"] for one in first["nights"] + rest["nights"]] == ["other", "shop"]
    assert (first["nights"][0]["last"], len(first["nights"][0]["next"])) == (None, 3)

    def resting() -> list[bool]:
        return [one["paused"] for one in admin.get("/v1/admin/calendar").json()["nights"]]

    for at, paused in (("/v1/admin/pause", [True, True]), ("/v1/admin/merchants/shop/pause", [False, True])):
        assert admin.put(at).status_code == admin.put(at).status_code == 204
        assert resting() == paused
        (pause,) = admin.get("/v1/admin/pauses").json()
        assert (pause["merchant"], pause["made_by"]) == ("shop" if "shop" in at else None, "admin key ops")
        assert admin.delete(at).status_code == 204
        assert resting() == [False, False]
    assert admin.put("/v1/admin/merchants/nobody/pause").status_code == 404
    with transaction(session.engine) as connection:
        told = connection.execute(
            text("SELECT what, merchant_id IS NULL FROM audit WHERE who LIKE 'admin%' ORDER BY id")
        )
        assert [tuple(row) for row in told] == [
            *[("schedules pause", True)] * 2, ("schedules resume", True),
            *[("schedules pause", False)] * 2, ("schedules resume", False),
        ]  # fmt: skip


def test_the_last_night_is_in_the_calendar(session: Session, admin: TestClient) -> None:
    with transaction(session.engine) as connection:
        add_catalog(connection, batch := add_finished(connection, "shop", 3))
    (date,) = admin.get("/v1/admin/calendar").json()["nights"]
    assert (date["last"]["state"], date["last"]["batch"], date["last"]["images"]) == ("planned", str(batch.id), None)


def test_who_works_what_waits_and_what_failed_is_told(session: Session, admin: TestClient) -> None:
    with transaction(session.engine) as connection:
        add_waiting(connection, "shop", 5, queue="preview")
        batches = [add_finished(connection, name, 2 * FAILED_IN) for name in ("shop", "other", "shop")]
        register(connection, uuid4(), "cpu", 3)
        connection.execute(
            text("UPDATE jobs SET code = 'image_too_large' WHERE batch_id = :id AND ordinal = :last"),
            {"id": batches[0].id, "last": FAILED_IN - 1},
        )
    told = admin.get("/v1/admin/fleet").json()
    assert [(one["device"], one["slots"], one["alive"]) for one in told["workers"]] == [("cpu", 3, True)]
    assert [(one["queue"], one["queued"]) for one in told["queues"]] == [("preview", 5), ("bulk", 0), ("nightly", 0)]
    assert told["queues"][0]["age_seconds"] > 0
    at, found, query = "/v1/admin/dead-letters", [], {"limit": 1}
    while (page := admin.get(at, params=query).json())["before"]:
        found.append([(one["merchant"], one["code"], one["images"]) for one in page["dead_letters"]])
        query["before"] = page["before"]
    assert found == [
        [("shop", "unreadable_image", 2)],
        [("other", "unreadable_image", 2)],
        [("shop", "image_too_large", 1), ("shop", "unreadable_image", 1)],
    ]
    few = admin.get(at, params={"merchant": "shop", "code": ["image_too_large"]}).json()["dead_letters"]
    assert [one["batch"] for one in few] == [str(batches[0].id)]
    assert admin.get(at, params={"merchant": "nobody"}).status_code == 404
