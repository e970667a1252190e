"""The address in the ``type`` of a problem, which explains its code."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from shared.context import Session
from tests.api_clients import client_of
from tests.browser import new_browser
from tests.html_page import HtmlPage


@pytest.fixture
def nobody(session: Session) -> TestClient:
    return client_of(session, None)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/batches", "unauthenticated"),
        ("GET", "/nowhere", "not_found"),
        ("POST", "/livez", "method_not_allowed"),
    ],
)
def test_the_type_of_a_problem_leads_to_what_its_code_means(
    nobody: TestClient, method: str, path: str, code: str
) -> None:
    problem = nobody.request(method, path).json()
    assert problem["type"] == f"/problems/{code}"
    found = nobody.get(problem["type"])
    assert found.status_code == 200
    assert (found.json()["code"], found.json()["type"]) == (code, problem["type"])
    assert len(found.json()["meaning"]) > 10


def test_a_browser_gets_a_page(session: Session) -> None:
    answer = new_browser(session).get("/problems/quota_exceeded", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.headers["content-type"].startswith("text/html")
    assert "hard limit" in HtmlPage(answer.text).text


@pytest.mark.parametrize("code", ["nope", "<script>", "x" * 65, "%00"])
def test_there_are_no_other_codes(nobody: TestClient, code: str) -> None:
    assert nobody.get(f"/problems/{code}").status_code in (404, 422)
