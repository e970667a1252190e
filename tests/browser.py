"""A browser that has signed in, without a screen: it keeps cookies, and sends the forms of pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.testclient import TestClient

from producer.api.app import make_app
from shared.context import Session
from shared.database import transaction
from shared.merchants import keys
from shared.merchants.merchants import merchant_id
from tests.html_page import HtmlPage

OWN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Browser:
    """One browser. ``secret`` is the key that it signed in with."""

    client: TestClient
    secret: str
    headers: dict[str, str] = field(default_factory=lambda: dict(OWN))

    def read(self, path: str, status: int = 200) -> HtmlPage:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return HtmlPage(answer.text)

    def send(self, path: str, action: str, **values: Any) -> Any:
        """Fill in the form of a page, and send it."""
        form = self.read(path).form(action)
        assert set(form.required) <= values.keys()
        return self.client.post(action, data=form.values | values, headers=self.headers, follow_redirects=False)


def new_browser(session: Session) -> TestClient:
    """Return a browser that nobody has used."""
    return TestClient(make_app(session), base_url="http://127.0.0.1:8080", raise_server_exceptions=False)


def browser_of(session: Session, merchant: str | None) -> Browser:
    """Return a browser that has signed in with a new key of a merchant, or with an admin's (None)."""
    with transaction(session.engine) as connection:
        owner = None if merchant is None else merchant_id(connection, merchant)
        _, secret = keys.create_key(connection, owner, uuid4().hex)
    client = new_browser(session)
    answer = client.post("/sign-in", data={"secret": secret}, headers=OWN, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return Browser(client, secret)
