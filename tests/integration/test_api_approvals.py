"""What merchants' people say over HTTP: gates and what they hold back, proofs and which uploads need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from shared.context import Session
from shared.database import transaction
from shared.quality.gate import LIMITS
from tests.api_clients import client_of
from tests.builders import add_finished, add_proof, add_waiting


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def test_a_gate_is_set_shown_and_taken_away_by_its_merchant_alone(session: Session, shop: TestClient) -> None:
    at = "/v1/gate"
    assert shop.get(at).status_code == 404
    wish = dict.fromkeys(LIMITS) | {"content": 0.6, "white": 0.9, "rule": "blend"}
    assert shop.put(at, json=wish).json() == shop.get(at).json() == wish
    for wrong, status in (({}, 400), ({"white": 2}, 422), ({"content": 0.5, "rule": "x"}, 422), ({"x": 1}, 422)):
        assert shop.put(at, json=wrong).status_code == status, wrong
    with client_of(session, "other") as other:
        assert other.get(at).status_code == 404
        assert other.delete(at).status_code == 204
    assert shop.get(at).json() == wish
    assert shop.delete(at).status_code == 204
    assert shop.get(at).status_code == 404
    with transaction(session.engine) as connection:
        entries = connection.exec_driver_sql("SELECT what FROM audit WHERE merchant_id = 1 ORDER BY id").scalars()
        assert entries.all() == ["gate set", "gate off"]


def test_what_is_held_back_is_listed_a_page_at_a_time_and_judged_once(session: Session, shop: TestClient) -> None:
    with transaction(session.engine) as connection:
        batches = sorted(add_finished(connection, "shop", 2).id for _ in range(2))
        connection.execute(
            text("INSERT INTO reviews (batch_id, ordinal, merchant_id) SELECT batch_id, ordinal, merchant_id FROM jobs")
        )
    page = shop.get("/v1/reviews", params={"limit": 3}).json()
    rest = shop.get("/v1/reviews", params={"after": page["after"]}).json()
    found = [(one["batch"], one["ordinal"], one["state"]) for one in page["reviews"] + rest["reviews"]]
    assert found == [(str(batch), ordinal, "waiting") for batch in batches for ordinal in (0, 1)]
    assert rest["after"] is None
    assert len(shop.get("/v1/reviews", params={"batch": str(batches[0])}).json()["reviews"]) == 2
    at = f"/v1/reviews/{batches[0]}"
    assert shop.post(f"{at}/0/approve").json() == {"state": "approved", "shown": False}
    assert shop.post(f"{at}/1/reject").status_code == 422
    assert shop.post(f"{at}/1/reject", json={"reason": "face lost"}).json() == {"state": "rejected", "shown": False}
    assert shop.post(f"{at}/1/approve").json()["code"] == "conflict"
    assert shop.post(f"{at}/9/approve").json()["code"] == "not_found"
    (rejected,) = shop.get("/v1/reviews", params={"state": "rejected"}).json()["reviews"]
    assert (rejected["ordinal"], rejected["reason"], rejected["who"][:4]) == (1, "face lost", "key ")
    with transaction(session.engine) as connection:
        entries = connection.exec_driver_sql("SELECT what FROM audit ORDER BY id").scalars().all()
        assert entries == ["reviews approve", "reviews reject"]


def test_a_batch_that_waits_for_a_proof_is_seen_and_goes_on_or_is_cancelled(session: Session, shop: TestClient) -> None:
    with transaction(session.engine) as connection:
        batches = [add_waiting(connection, "shop", 3).id for _ in range(3)]
        ids = [add_proof(connection, batch) for batch in batches]
        connection.execute(text("UPDATE batches SET paused = true"))
    page = shop.get("/v1/proofs", params={"limit": 2}).json()
    rest = shop.get("/v1/proofs", params={"after": page["after"]}).json()
    assert [one["id"] for one in page["proofs"] + rest["proofs"]] == ids
    shown = shop.get(f"/v1/proofs/{ids[0]}").json()
    assert (shown["batch"], shown["why"], shown["price"]["images"]) == (str(batches[0]), "it is large", 3)
    assert shop.post(f"/v1/proofs/{ids[0]}/approve").json()["state"] == "approved"
    assert shop.get(f"/v1/batches/{batches[0]}").json()["paused"] is False
    rejected = shop.post(f"/v1/proofs/{ids[1]}/reject").json()
    assert (rejected["state"], rejected["judged_by"][:4]) == ("rejected", "key ")
    assert shop.get(f"/v1/batches/{batches[1]}").json()["state"] == "cancelled"
    assert shop.post(f"/v1/proofs/{ids[0]}/reject").status_code == 409
    assert shop.get(f"/v1/batches/{batches[0]}").json()["state"] == "running"
    assert [one["id"] for one in shop.get("/v1/proofs").json()["proofs"]] == ids[2:]


def test_which_uploads_are_proved_is_set_shown_and_taken_away(session: Session, shop: TestClient) -> None:
    at = "/v1/proof-rules"
    assert shop.get(at).status_code == 404
    wish = {"above": 1000, "new_looks": True, "go_on_minutes": None}
    assert shop.put(at, json=wish).json() == shop.get(at).json() == wish
    for wrong, status in (({}, 400), ({"above": -1}, 422), ({"above": 1, "go_on_minutes": 0}, 422)):
        assert shop.put(at, json=wrong).status_code == status, wrong
    with client_of(session, "other") as other:
        assert other.get(at).status_code == 404
    assert shop.delete(at).status_code == 204
    assert shop.get(at).status_code == 404
    with transaction(session.engine) as connection:
        entries = connection.exec_driver_sql("SELECT what FROM audit ORDER BY id").scalars().all()
        assert entries == ["proofs set", "proofs off"]
