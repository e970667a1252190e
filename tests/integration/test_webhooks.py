"""Events for webhooks: none is lost, none is sent of what was rolled back, and a bad receiver harms only itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
import standardwebhooks
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, NotFound, UsageError
from shared.merchants.actors import Actor, Role, operator
from shared.merchants.merchants import merchant_id
from shared.queue import actions as batch_actions
from shared.queue import batches
from shared.queue.batches import Batch, Counts
from shared.webhooks import actions, deliveries
from shared.webhooks.deliveries import Attempt, Delivery, claim_due, next_delivery, record_attempt, release
from shared.webhooks.webhooks import MOST_WEBHOOKS, Event, Webhook
from tests.api_clients import client_of
from tests.atelier_command import command_over, printed
from tests.builders import add_waiting
from tests.waiting import wait_until
from tests.web_host import Host, answer, serving
from workers.fetch.address_guard import Reach
from workers.webhooks.post import Poster
from workers.webhooks.sender import sending_webhooks

SHOP = operator("shop")
LOOPBACK = Reach(networks=(ip_network("127.0.0.0/8"),))
OK = answer(204)


@pytest.fixture
def host() -> Iterator[Host]:
    with serving() as found:
        yield found


def on_loopback(_: str, __: int) -> Sequence[str]:
    return ["127.0.0.1"]


@contextmanager
def sender(session: Session, reach: Reach = LOOPBACK) -> Iterator[None]:
    with sending_webhooks(session.engine, Poster(reach, seconds=600, resolve=on_loopback)):
        yield


def add(session: Session, url: str, *events: Event) -> tuple[Webhook, str]:
    with transaction(session.engine) as connection:
        merchant_id(connection, "shop")
    return actions.add_webhook(session.engine, SHOP, url, events or (Event.BATCH_FINISHED,))


def finished_batch(session: Session, jobs: int = 3) -> Batch:
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", jobs)
        batches.add_counts(connection, batch.id, Counts(succeeded=jobs - 1, failed=1))
    return batch


def log(session: Session, webhook: Webhook) -> list[Delivery]:
    with transaction(session.engine) as connection:
        merchant = merchant_id(connection, "shop")
        return deliveries.list_deliveries(connection, merchant, webhook.id, limit=100)


def no_pause(session: Session) -> None:
    """Let whatever rests be due: what hours would do."""
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE webhooks SET resting_until = NULL"))
        connection.execute(text("UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp()"))


def test_a_finished_batch_is_told_of_and_the_signature_holds(session: Session, host: Host) -> None:
    host.answers["/hook"] = OK
    webhook, secret = add(session, host.url("/hook"))
    batch = finished_batch(session)
    with sender(session):
        wait_until(lambda: log(session, webhook)[0].state == "delivered", "the event to be delivered")
    (_, headers), (body,) = host.requests[0], host.bodies
    said: dict[str, Any] = standardwebhooks.Webhook(secret).verify(body.decode(), headers)
    assert said["type"] == "batch.finished"
    assert said["data"] == {
        "batch": str(batch.id), "name": batch.name, "queue": "bulk", "state": "finished",
        "total": 3, "succeeded": 2, "failed": 1, "cancelled": 0, "reused": 0,
    }  # fmt: skip
    (only,) = log(session, webhook)
    assert (only.status, only.attempts, only.problem) == (204, 1, None)


def test_what_is_rolled_back_is_not_told(session: Session) -> None:
    webhook, _ = add(session, "https://shop.example/hook")

    class Broken(Exception):
        pass

    def change() -> None:
        with transaction(session.engine) as connection:
            batch = add_waiting(connection, "shop", 1)
            batches.add_counts(connection, batch.id, Counts(succeeded=1))
            raise Broken

    with pytest.raises(Broken):
        change()
    assert log(session, webhook) == []


def test_only_events_that_are_wanted_and_only_of_the_merchant(session: Session) -> None:
    wants_all, _ = add(session, "https://shop.example/all", *Event)
    wants_one, _ = add(session, "https://shop.example/one", Event.BATCH_CANCELLED)
    with transaction(session.engine) as connection:
        others = add_waiting(connection, "other", 1)
        batches.add_counts(connection, others.id, Counts(succeeded=1))
        batch = add_waiting(connection, "shop", 1)
    batch_actions.cancel_batch(session.engine, SHOP, str(batch.id))
    events = [(one.event, one.data["batch"]) for one in log(session, wants_all)]
    assert [event for event, id_ in events if id_ == str(batch.id)] == ["batch.cancelled", "batch.sealed"]
    assert str(others.id) not in {id_ for _, id_ in events}
    assert [one.event for one in log(session, wants_one)] == ["batch.cancelled"]


def test_a_slow_receiver_delays_only_itself(session: Session, host: Host) -> None:
    let_go = Flag()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        let_go.wait()
        handler.wfile.write(OK)

    host.answers |= {"/slow": slow, "/quick": OK}
    slow_one, _ = add(session, host.url("/slow"))
    quick, _ = add(session, host.url("/quick"))
    try:
        with sender(session):
            for _ in range(3):
                finished_batch(session)
            wait_until(
                lambda: [one.state for one in log(session, quick)] == ["delivered"] * 3, "the quick one's events"
            )
            assert {one.state for one in log(session, slow_one)} == {"waiting"}
            assert host.paths().count("/slow") == 1
            let_go.set()
            wait_until(lambda: {one.state for one in log(session, slow_one)} == {"delivered"}, "the slow one's events")
    finally:
        let_go.set()


def test_a_failure_is_tried_again_later_as_the_same_message(session: Session, host: Host) -> None:
    host.answers["/hook"] = answer(503)
    webhook, _ = add(session, host.url("/hook"))
    for _ in range(2):
        finished_batch(session)
    with sender(session):
        wait_until(lambda: log(session, webhook)[-1].attempts == 1, "the first attempt")
        failed = log(session, webhook)[-1]
        assert (failed.state, failed.status) == ("waiting", 503)
        assert failed.problem == "it answers 503"
        assert log(session, webhook)[0].attempts == 0  # rests as a whole
        host.answers["/hook"] = OK
        no_pause(session)
        wait_until(lambda: {one.state for one in log(session, webhook)} == {"delivered"}, "the second attempt")
    ids = [headers["webhook-id"] for _, headers in host.requests]
    assert ids.count(ids[0]) == 2
    assert (len(ids), len(set(ids))) == (3, 2)


def test_after_a_day_it_is_given_up_and_may_be_sent_again(session: Session, host: Host) -> None:
    webhook, _ = add(session, host.url("/gone-for-long"))
    finished_batch(session)
    for _ in range(len(deliveries.PAUSES) + 1):
        assert log(session, webhook)[0].state == "waiting"
        no_pause(session)
        with transaction(session.engine) as connection:
            (claim,) = claim_due(connection, 1)
            due = next_delivery(connection, claim)
            assert due is not None
            record_attempt(connection, claim, due, Attempt(500, "it answers 500"))
            release(connection, claim)
    failed = log(session, webhook)[0]
    assert (failed.state, failed.attempts) == ("failed", len(deliveries.PAUSES) + 1)
    actions.enable_webhook(session.engine, SHOP, webhook.id)
    actions.resend(session.engine, SHOP, webhook.id, failed.id)
    with pytest.raises(NotFound):
        actions.resend(session.engine, SHOP, webhook.id, failed.id + 1)
    host.answers["/gone-for-long"] = OK
    with sender(session):
        wait_until(lambda: log(session, webhook)[0].state == "delivered", "the event that was sent again")
    assert sum(pause.total_seconds() for pause in deliveries.PAUSES) >= 24 * 3600


def test_a_dead_receiver_is_asked_ever_less_and_what_waits_for_it_has_an_end(session: Session) -> None:
    webhook, _ = add(session, "https://shop.example/dead")
    for _ in range(5):
        finished_batch(session)
    rests = []
    for _ in range(3):
        with transaction(session.engine) as connection:
            connection.execute(text("UPDATE webhooks SET resting_until = NULL"))
            (claim,) = claim_due(connection, 1)
            due = next_delivery(connection, claim)
            assert due is not None
            assert due.attempts == 0  # each time another event
            record_attempt(connection, claim, due, Attempt(None, "nobody answers"))
            release(connection, claim)
            rest = "SELECT extract(epoch FROM resting_until - clock_timestamp()) FROM webhooks"
            rests.append(round(connection.execute(text(rest)).scalar_one()))
    assert rests == [5, 60, 300]
    with transaction(session.engine) as connection:
        assert deliveries.give_up_late(connection) == 0
        connection.execute(
            text("UPDATE webhook_deliveries SET next_attempt_at = next_attempt_at - interval '25 hours'")
        )
        assert deliveries.give_up_late(connection) == 5
    assert {one.state for one in log(session, webhook)} == {"failed"}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (answer(302, "Location: http://169.254.169.254/"), "redirect"),
        (b"not HTTP at all\r\n\r\n", "HTTP"),
        (b"", "Remote end closed"),
    ],
)
def test_an_answer_that_is_none_is_a_failed_attempt(session: Session, host: Host, said: bytes, problem: str) -> None:
    host.answers["/hook"] = said
    webhook, _ = add(session, host.url("/hook"))
    finished_batch(session)
    with sender(session):
        wait_until(lambda: log(session, webhook)[0].attempts, "an attempt")
    (only,) = log(session, webhook)
    assert only.state == "waiting"
    assert problem in str(only.problem) or only.status is None
    assert len(host.requests) == 1  # and no request anywhere else


def test_no_private_address_is_posted_to(session: Session, host: Host) -> None:
    host.answers["/hook"] = OK
    webhook, _ = add(session, host.url("/hook"))
    finished_batch(session)
    with sender(session, Reach()):
        wait_until(lambda: log(session, webhook)[0].attempts, "an attempt")
    assert "private or reserved network" in str(log(session, webhook)[0].problem)
    assert host.requests == []


def test_whoever_wants_nothing_more_is_left_alone(session: Session, host: Host) -> None:
    host.answers["/hook"] = answer(410)
    webhook, _ = add(session, host.url("/hook"))
    finished_batch(session)
    with sender(session):
        wait_until(lambda: log(session, webhook)[0].state == "failed", "the answer")
        finished_batch(session)
    assert len(log(session, webhook)) == 1
    (listed,) = client_of(session, "shop").get("/v1/webhooks").json()
    assert listed["disabled_at"] is not None


def test_a_dead_senders_claim_passes_on_and_its_late_word_counts_nothing(session: Session) -> None:
    webhook, _ = add(session, "https://shop.example/hook")
    finished_batch(session)
    with transaction(session.engine) as connection:
        (dead,) = claim_due(connection, 16)
        assert claim_due(connection, 16) == []
        taken = next_delivery(connection, dead)
    assert taken is not None
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE webhooks SET claimed_until = clock_timestamp() - interval '1 second'"))
    with transaction(session.engine) as connection:
        (living,) = claim_due(connection, 16)
        record_attempt(connection, dead, taken, Attempt(500, "it answers 500"))
        assert next_delivery(connection, dead) is None
        record_attempt(connection, living, taken, Attempt(200))
    (only,) = log(session, webhook)
    assert (only.state, only.attempts, only.status) == ("delivered", 1, 200)


def test_no_attempt_begins_that_its_claim_might_not_outlast(session: Session) -> None:
    add(session, "https://shop.example/hook")
    finished_batch(session)
    with transaction(session.engine) as connection:
        (claim,) = claim_due(connection, 1)
        until = connection.execute(
            text(
                "UPDATE webhooks SET claimed_until = clock_timestamp() + interval '10 seconds' RETURNING claimed_until"
            )
        ).scalar_one()
        assert next_delivery(connection, replace(claim, until=until)) is None


def test_two_senders_send_each_event_once(session: Session, host: Host) -> None:
    host.answers |= {f"/{number}": OK for number in range(4)}
    hooks = [add(session, host.url(f"/{number}"))[0] for number in range(4)]
    for _ in range(5):
        finished_batch(session)
    with sender(session), sender(session):
        wait_until(
            lambda: all({one.state for one in log(session, hook)} == {"delivered"} for hook in hooks), "all events"
        )
    assert len(host.requests) == 20
    assert len({(path, headers["webhook-id"]) for path, headers in host.requests}) == 20


def test_after_a_rotation_both_secrets_verify(session: Session, host: Host) -> None:
    host.answers["/hook"] = OK
    webhook, first = add(session, host.url("/hook"))
    second = actions.rotate_secret(session.engine, SHOP, webhook.id)
    actions.send_test(session.engine, SHOP, webhook.id)
    with sender(session):
        wait_until(lambda: log(session, webhook)[0].state == "delivered", "the test event")
    (_, headers), (body,) = host.requests[0], host.bodies
    for secret in (first, second):
        assert standardwebhooks.Webhook(secret).verify(body.decode(), headers) == json.loads(body)
    with transaction(session.engine) as connection:
        connection.execute(
            text("UPDATE webhook_secrets SET expires_at = clock_timestamp() WHERE expires_at IS NOT NULL")
        )
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE webhook_deliveries SET state = 'waiting', next_attempt_at = clock_timestamp()"))
        assert [claim.secrets for claim in claim_due(connection, 1)] == [(second,)]


def test_what_cannot_be_a_webhook_is_refused(session: Session) -> None:
    add(session, "https://shop.example/hook")
    with pytest.raises(Conflict, match="already"):
        actions.add_webhook(session.engine, SHOP, "https://shop.example/hook", [Event.BATCH_FINISHED])
    for bad in ("", "ftp://shop.example", "https://user:word@shop.example/", "https://", "https://shop.example:0/"):
        with pytest.raises(UsageError, match="not usable"):
            actions.add_webhook(session.engine, SHOP, bad, [Event.BATCH_FINISHED])
    for number in range(1, MOST_WEBHOOKS):
        actions.add_webhook(session.engine, SHOP, f"https://shop.example/{number}", [Event.BATCH_FINISHED])
    with pytest.raises(Conflict, match="the most"):
        actions.add_webhook(session.engine, SHOP, "https://shop.example/more", [Event.BATCH_FINISHED])


def test_over_http_and_nobody_elses(session: Session) -> None:
    shop, other = client_of(session, "shop"), client_of(session, "other")
    added = shop.post("/v1/webhooks", json={"url": "https://shop.example/hook"}).json()
    path = f"/v1/webhooks/{added['id']}"
    assert added["secret"].startswith("whsec_")
    assert added["events"] == sorted(Event)
    assert "secret" not in shop.get(path).json()
    sent = shop.post(f"{path}/test").json()
    assert shop.get(f"{path}/deliveries").json()["deliveries"][0]["id"] == sent["id"]
    assert shop.post(f"{path}/deliveries/{sent['id']}/resend").status_code == 409
    assert shop.post(f"{path}/secret").json()["secret"] != added["secret"]
    for method, place in (("GET", path), ("POST", f"{path}/test"), ("POST", f"{path}/secret"), ("DELETE", path),
                          ("GET", f"{path}/deliveries"), ("POST", f"{path}/enable")):  # fmt: skip
        assert other.request(method, place).status_code == 404
    assert other.get("/v1/webhooks").json() == []
    assert shop.post("/v1/webhooks", json={"url": "https://x.example", "events": ["batch.exploded"]}).status_code == 422
    assert shop.delete(path).status_code == 204
    assert shop.get("/v1/webhooks").json() == []


def test_from_the_command_line(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier = command_over(session, monkeypatch)
    added = printed(atelier("webhooks", "add", "https://shop.example/hook", "-e", "batch.finished", "--json"))
    assert added["events"] == ["batch.finished"]
    printed(atelier("webhooks", "test", str(added["id"]), "--json"))
    (listed,) = printed(atelier("webhooks", "deliveries", str(added["id"]), "--json"))
    assert (listed["event"], listed["state"]) == ("webhook.test", "waiting")
    assert added["secret"] not in atelier("webhooks", "list").output
    printed(atelier("webhooks", "remove", str(added["id"]), "--json"))
    assert isinstance(atelier("webhooks", "test", str(added["id"])).exception, NotFound)


def test_a_key_acts_for_its_merchant_only(session: Session) -> None:
    webhook, _ = add(session, "https://shop.example/hook")
    with transaction(session.engine) as connection:
        other = merchant_id(connection, "other")
    with pytest.raises(NotFound):
        actions.remove_webhook(session.engine, Actor(Role.MERCHANT, "key", other), webhook.id)
