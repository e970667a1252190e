"""Looks that end by themselves, and a catalogue that goes back to an earlier time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.catalog import actions, looks
from shared.catalog.as_of import AsOf
from shared.catalog.looks import LookState
from shared.catalog.publishing import history
from shared.context import Session
from shared.database import read_clock, transaction
from shared.errors import UsageError
from shared.look import Look, parse_mix
from shared.merchants.actors import operator
from shared.merchants.scope import scope
from shared.operations.prune import prune
from tests.atelier_command import command_over, printed
from tests.shop import Shop, skus

FAR = datetime(2027, 12, 24, tzinfo=UTC)


class CampaignShop(Shop):
    """A shop that sets looks for a time."""

    def campaign(self, style: str, what: str, until: datetime) -> None:
        look = Look(parse_mix(style))
        where = actions.LookScope.parse(what)
        actions.set_look(self.session.engine, operator(self.name), where, look, follows_model=False, until=until)
        with transaction(self.session.engine) as connection:
            connection.execute(text("UPDATE catalog_looks SET state = 'approved' WHERE state = 'new'"))

    def styles(self) -> dict[tuple[str, str], tuple[str, LookState]]:
        with scope(self.session.engine, self.name) as (connection, mine):
            found = looks.list_looks(connection, mine)
        return {(one.scope, one.value): (one.look.style, one.state) for one in found}

    def same_photos(self) -> None:
        """Let the renditions of each sku be of one photo."""
        with transaction(self.session.engine) as connection:
            connection.execute(
                text("""
                UPDATE renditions r SET source_sha256 = rpad(md5(j.sku), 64, '0')
                FROM job_renditions l JOIN jobs j ON j.batch_id = l.batch_id AND j.ordinal = l.ordinal
                WHERE l.rendition_id = r.id
                """)
            )


@pytest.fixture
def shop(session: Session, tmp_path: Path) -> CampaignShop:
    found = CampaignShop(session, tmp_path)
    found.look("udnie")
    found.schedule()
    return found


def test_a_campaign_ends_by_itself_and_what_was_shown_before_is_shown_again(shop: CampaignShop) -> None:
    shop.feed(skus(3))
    shop.live_a_night()
    usual = shop.shown()
    shop.campaign("great-wave", "default", FAR)
    assert shop.live_a_night()["by_reason"] == {"look_changed": 3}
    assert all(shop.shown()[sku] != usual[sku] for sku in usual)
    shop.same_photos()

    shop.sleep(FAR)
    assert shop.shown() == usual
    assert shop.styles() == {("default", ""): ("udnie", LookState.APPROVED)}
    with transaction(shop.session.engine) as connection:
        audited = connection.execute(text("SELECT who, details FROM audit WHERE what = 'catalog look end'")).one()
    assert audited.who == "calendar"
    assert audited.details["images"] == 3


def test_images_whose_photo_changed_during_a_campaign_are_left_to_the_night_after_it(shop: CampaignShop) -> None:
    shop.feed(skus(2))
    shop.live_a_night()
    shop.campaign("great-wave", "default", FAR)
    shop.live_a_night()
    festive = shop.shown()
    shop.sleep(FAR)  # each night's bytes are others here
    assert shop.shown() == festive
    assert shop.plan()["by_reason"] == {"look_changed": 2}


def test_a_campaign_of_a_narrow_scope_leaves_no_look_behind_and_new_images_show_their_photo(shop: CampaignShop) -> None:
    shop.feed({"a": "1,mugs"}, columns="hash,category")
    shop.live_a_night()
    shop.campaign("great-wave", "category=mugs", FAR)
    shop.campaign("pastel", "category=mugs", FAR)  # another one keeps what the first replaced
    shop.feed({"a": "1,mugs", "b": "2,mugs"}, columns="hash,category")
    shop.live_a_night()
    assert shop.shown()["b"] is not None
    shop.sleep(FAR)
    assert list(shop.styles()) == [("default", "")]
    assert shop.shown()["b"] is None
    with scope(shop.session.engine, shop.name) as (connection, mine):
        assert [one.object_key is None for one in history(connection, mine, "b")] == [True, False]


def test_a_look_that_is_set_to_stay_ends_no_more(shop: CampaignShop) -> None:
    shop.campaign("great-wave", "default", FAR)
    shop.look("great-wave")
    shop.sleep(FAR + timedelta(days=1))
    assert shop.styles() == {("default", ""): ("great-wave", LookState.APPROVED)}


def test_a_catalogue_goes_back_to_what_it_showed_and_counts_first(shop: CampaignShop) -> None:
    shop.feed(skus(2))
    start = read_clock(shop.session.engine)
    shop.live_a_night()
    first, between = shop.shown(), read_clock(shop.session.engine)
    shop.feed(skus(3, "2"))
    shop.live_a_night()
    second, later = shop.shown(), read_clock(shop.session.engine)
    engine, merchant = shop.session.engine, operator(shop.name)

    assert actions.revert_as_of(engine, merchant, between, dry_run=True) == AsOf(3, 1, 0)
    assert shop.shown() == second
    assert actions.revert_as_of(engine, merchant, between) == AsOf(3, 1, 0)
    assert shop.shown() == first | {"N2": None}
    assert shop.live_a_night()["images"] == 0
    assert actions.revert_as_of(engine, merchant, later) == AsOf(3, 0, 0)
    assert shop.shown() == second
    assert actions.revert_as_of(engine, merchant, start) == AsOf(3, 3, 0)
    assert set(shop.shown().values()) == {None}
    with pytest.raises(UsageError):
        actions.revert_as_of(engine, merchant, later + timedelta(days=1))


def test_images_of_which_it_is_no_longer_known_what_they_showed_stay(shop: CampaignShop) -> None:
    shop.feed(skus(1))
    shop.live_a_night()
    before = read_clock(shop.session.engine)
    shop.feed(skus(1, "2"))
    shop.live_a_night()
    with transaction(shop.session.engine) as connection:
        connection.execute(text("UPDATE publications SET made_at = made_at - interval '90 days'"))
    prune(shop.session.engine, shop.session.store, operator(), 30, lambda _: None)
    shown = shop.shown()
    at = before - timedelta(days=95)
    assert actions.revert_as_of(shop.session.engine, operator(shop.name), at) == AsOf(0, 0, 1)
    assert shop.shown() == shown


def test_the_commands_take_times_in_utc_and_refuse_those_that_make_no_sense(
    shop: CampaignShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier = command_over(shop.session, monkeypatch)
    of = ("catalog", "look", "set", "default", "-s", "great-wave", "-m", "shop")
    assert printed(atelier(*of, "--until", "2999-12-24", "--json"))["ends_at"].startswith("2999-12-24")
    assert "until 2999-12-24 00:00 UTC" in atelier("catalog", "look", "list", "-m", "shop").output
    assert "is over" in str(atelier(*of, "--until", "2020-01-01").exception)
    done = printed(atelier("catalog", "revert", "--as-of", "2026-01-01", "--dry-run", "-m", "shop", "--json"))
    assert done == {"moved": 0, "photos": 0, "unknown": 0, "dry_run": True}
    for wrong in (("--as-of", "2999-01-01"), ("--as-of", "2026-01-01", "--sku", "a"), ("--sku", "a", "--dry-run")):
        assert isinstance(atelier("catalog", "revert", *wrong, "-m", "shop").exception, UsageError)
