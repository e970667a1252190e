"""Requests that the API's own document allows, and many that it nearly does: none makes it fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from starlette.testclient import TestClient

from producer.api.app import make_app
from shared.context import Session
from shared.database import transaction
from shared.models.promotion.verdicts import ContactSheet, VerdictFigures, add_verdict, judge
from shared.models.versions import champion
from tests.api_clients import admin_of, client_of
from tests.builders import add_catalog, add_finished, add_proof, add_waiting
from tests.candidates import add_version
from tests.requests_by_schema import Known, requests

FEEDS = [
    "sku,image\nA,https://shop.example/a.jpg\n",
    '{"sku": "A", "image": "s3://b/a.jpg"}',
    "sku\n",
    "\0",
    "<a><b/></a>",
]


Fuzzed = tuple[TestClient, TestClient, Any, Known]


@pytest.fixture
def fuzzed(session: Session) -> Iterator[Fuzzed]:
    version = add_version(session, "second")
    with transaction(session.engine) as connection:
        add_catalog(connection, batch := add_finished(connection, "shop", 3))
        run = connection.exec_driver_sql("SELECT id::text FROM training_runs").scalar_one()
        figures = VerdictFigures(judge({}, {}))
        proof = add_proof(connection, add_waiting(connection, "shop", 3).id)
        verdict = add_verdict(
            connection, (version, champion(connection).id), figures, ContactSheet("sheets/a.png"), "me@here"
        )
        connection.execute(
            text("INSERT INTO reviews (batch_id, ordinal, merchant_id) SELECT batch_id, ordinal, merchant_id FROM jobs")
        )
    known: Known = {
        "batch": [str(batch.id), batch.id.hex[:8], str(uuid4()), "0"],
        "manifest": FEEDS,
        "styles": [["udnie"], ["udnie", "pastel:0.5,udnie:0.5"], ["nope"], ["udnie:nan"]],
        "image": ["https://shop.example/a.jpg", "/etc/passwd", "s3://bucket/a.jpg"],
        "sku": ["sku", "a\0b"],
        "crontab": ["30 1 * * *", "0 0 30 2 *", "*/0 * * * *", "1-99999999 * * * *"],
        "zone": ["UTC", "Europe/Berlin", "../etc/passwd", "a\0"],
        "preset": ["jpeg", "\0"],
        "ordinal": [0, 1, 2**31 - 1],
        "after": [f"{batch.id}:0", f"{batch.id}:000000009", 0, 1, "shop"],
        "version": [version, 2**63 - 1],
        "champion": [version, version - 1],
        "verdict": [verdict.id],
        "run": [run, run[:8], "-"],
        "merchant": ["shop", "nobody"],
        "proof": [proof],
        "reason": ["it is better", " "],
        "rule": ["if-better", "if-no-style-regresses-by 5%", "always", "\0"],
    }
    with client_of(session, "shop") as shop, admin_of(session) as admin:
        yield shop, admin, make_app(session).openapi(), known


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_that_is_sent_makes_it_fail(fuzzed: Fuzzed, data: st.DataObject) -> None:
    shop, admin, document, known = fuzzed
    sent = data.draw(requests(document, known))
    answer = (admin if sent.url.startswith("/v1/admin/") else shop).request(
        sent.method, sent.url, params=sent.params, headers=sent.headers, content=sent.content, follow_redirects=False
    )
    assert answer.status_code < 500, (sent, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
