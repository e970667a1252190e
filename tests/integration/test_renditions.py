"""Renditions that are made more than once."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.merchants.merchants import merchant_id
from shared.queue.renditions import NewRendition, RenditionKey, add_renditions, find_renditions

KEY = RenditionKey("source", "look", "trunk", "jpeg")


def test_the_newest_object_is_the_one_that_is_named_and_there_is_one_row(session: Session) -> None:
    first = NewRendition(KEY, "renditions/1/first.jpg", "first", 1, 1, 1)
    newest = replace(first, object_key="renditions/1/newest.jpg", sha256="newest")
    with transaction(session.engine) as connection:
        merchant = merchant_id(connection, "shop")
        ids = add_renditions(connection, merchant, [first, first]).ids
        assert add_renditions(connection, merchant, [first]) == ({}, set())
        assert add_renditions(connection, merchant, [first, newest]) == (ids, set())
        assert find_renditions(connection, merchant, [KEY]) == {KEY: newest.object_key}
        assert connection.execute(text("SELECT sha256 FROM renditions")).scalars().all() == ["newest"]
