"""The page of a merchant's usage."""

from __future__ import annotations

from shared.context import Session
from shared.database import transaction
from shared.merchants import quotas
from shared.merchants.merchants import merchant_id
from tests.browser import browser_of, new_browser
from tests.builders import add_usage, add_waiting


def test_a_merchant_sees_its_months_and_what_is_left(session: Session) -> None:
    browser = browser_of(session, "shop")
    assert "Nothing was styled yet" in browser.read("/usage").text
    with transaction(session.engine) as connection:
        shop = merchant_id(connection, "shop")
        add_usage(connection, shop)
        add_usage(connection, merchant_id(connection, "other"), "2025-01-01")
        add_waiting(connection, "shop", 30)
        quotas.set_limits(connection, shop, 20, 1000)
    text = browser.read("/usage").text
    assert "2026-10 1,234 56 7 72 min 0.8" in " ".join(text.split())
    assert "970" in text
    assert "beyond the soft limit" in text
    assert "2025-01" not in text
    assert "To pay" not in text
    with transaction(session.engine) as connection:
        quotas.set_limits(connection, shop, None, 30)
    assert "used up" in browser.read("/usage").text


def test_it_is_for_merchants_who_have_signed_in(session: Session) -> None:
    assert new_browser(session).get("/usage", follow_redirects=False).status_code == 303
    assert browser_of(session, None).client.get("/usage").status_code == 403
