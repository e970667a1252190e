"""Promotion, rollback and retirement, by the commands and by their functions."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from producer.manifest import open_manifest
from producer.submit import Order, open_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, DamagedVersion, NotFound
from shared.merchants.actors import operator
from shared.models.promotion.history import history
from shared.models.promotion.promotions import Promoted, PromotionRequest, promote, retire, rollback
from shared.models.promotion.verdicts import VerdictFigures, add_verdict, judge
from shared.models.styles import Style
from shared.models.versions import NewStyle, champion, install_style, version_of
from shared.store.file import FileStore
from tests.atelier_command import command_over, printed
from tests.builders import LOOK, add_waiting
from tests.candidates import add_version, champion_id
from tests.waiting import LIMIT_SECONDS


def wish(version: int) -> PromotionRequest:
    return PromotionRequest(version, "me@here", "it is better")


def made_champion(session: Session, version: int) -> Promoted:
    return promote(session.engine, session.store, wish(version))


def own_style(session: Session, merchant: str, name: str) -> None:
    with transaction(session.engine) as connection:
        number = connection.execute(
            text("INSERT INTO merchants (name) VALUES (:name) RETURNING id"), {"name": merchant}
        ).scalar_one()
        trunk = champion(connection).trunk_sha256
    new = NewStyle(Style(name, name, "", "", ""), trunk, b"row", number)
    install_style(session.engine, session.store, operator(), new, what="styles add")


def test_the_pointer_moves_for_new_batches_and_a_running_one_keeps_its_version(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "feed.csv").write_text("sku,image\n1,https://cdn.example/1.jpg\n")
    first, second = champion_id(session), add_version(session, "second")
    before, _ = open_batch(session, Order("shop", open_manifest([str(tmp_path / "feed.csv")]), (LOOK,)))
    assert made_champion(session, second) == Promoted(second, first, [])
    other, _ = open_batch(session, Order("other", open_manifest([str(tmp_path / "feed.csv")]), (LOOK,)))
    again, resumed = open_batch(session, Order("shop", open_manifest([str(tmp_path / "feed.csv")]), (LOOK,)))
    assert (before.model_version_id, other.model_version_id) == (first, second)
    assert (resumed, again.model_version_id) == (True, first)
    with transaction(session.engine) as connection:
        assert [version_of(connection, number).state for number in (first, second)] == ["retired", "champion"]
    with pytest.raises(Conflict, match="is already the champion"):
        made_champion(session, second)
    with pytest.raises(NotFound, match="models list"):
        made_champion(session, 99)


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(session: Session) -> None:
    """Both have read the files before either moves the pointer."""
    both = Barrier(2)

    class Met(FileStore):
        def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
            if key.startswith("models/"):
                both.wait(LIMIT_SECONDS)
            return super().get(key, max_bytes=max_bytes)

    store = Met(session.settings.home / "objects")
    versions = [add_version(session, name) for name in ("second", "third")]

    def told(version: int) -> str | None:
        try:
            promote(session.engine, store, wish(version))
        except Conflict as error:
            return error.code
        return None

    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(versions, pool.map(told, versions), strict=True))
    assert sorted(map(str, outcomes.values())) == ["None", "champion_changed"]
    assert outcomes[champion_id(session)] is None
    with transaction(session.engine) as connection:
        assert [entry.kind for entry in history(connection)] == ["promote", "promote"]


def test_rollbacks_lead_further_and_further_back(session: Session) -> None:
    first = champion_id(session)
    second, third = add_version(session, "second"), add_version(session, "third")
    for version in (second, third, second):
        made_champion(session, version)
    found = [rollback(session.engine, session.store, "me@here", "it is worse").version_id for _ in range(3)]
    assert found == [third, second, first]
    with pytest.raises(Conflict, match="no earlier champion to roll back to") as caught:
        rollback(session.engine, session.store, "me@here", "")
    assert caught.value.code == "no_previous"
    made_champion(session, third)
    assert rollback(session.engine, session.store, "me@here", "").version_id == first


def test_a_version_whose_file_is_damaged_is_refused(session: Session) -> None:
    first, second = champion_id(session), add_version(session, "second")
    with transaction(session.engine) as connection:
        version = version_of(connection, second)
        row = connection.execute(
            text("SELECT object_key FROM style_rows WHERE trunk_sha256 = :trunk ORDER BY id LIMIT 1"),
            {"trunk": version.trunk_sha256},
        ).scalar_one()
    for key in (version.object_key, row):
        whole = session.store.get(key)
        session.store.put(key, b"other bytes")
        with pytest.raises(DamagedVersion, match=f"version {second} cannot be used: its file {key} does not match"):
            made_champion(session, second)
        session.store.delete(key)
        with pytest.raises(DamagedVersion, match=f"version {second} cannot be used: its file {key} is missing"):
            made_champion(session, second)
        session.store.put(key, whole)
    assert champion_id(session) == first
    made_champion(session, second)


def test_styles_that_would_be_lost_stand_against_it(session: Session) -> None:
    own_style(session, "shop", "dots")
    lacking, second = add_version(session, "lacking", without="pastel"), add_version(session, "second")
    for accepted in (False, True):
        with pytest.raises(Conflict, match="pastel") as caught:
            promote(session.engine, session.store, PromotionRequest(lacking, "me@here", without_own_styles=accepted))
        assert caught.value.code == "styles_missing"
    with pytest.raises(Conflict, match=r"shop/dots; .*--without-own-styles"):
        made_champion(session, second)
    found = promote(session.engine, session.store, PromotionRequest(second, "me@here", without_own_styles=True))
    assert found.lost_styles == ["shop/dots"]
    assert rollback(session.engine, session.store, "me@here", "").lost_styles == []


def test_a_retired_candidate_keeps_its_files_and_can_be_promoted_by_whoever_insists(session: Session) -> None:
    second = add_version(session, "second")
    retire(session.engine, second, "me@here", "green blobs")
    with pytest.raises(Conflict, match="already retired"):
        retire(session.engine, second, "me@here", "")
    with pytest.raises(Conflict, match="promote another"):
        retire(session.engine, champion_id(session), "me@here", "")
    made_champion(session, second)
    assert champion_id(session) == second


def test_the_history_is_kept_whatever_happens_and_names_the_verdict(session: Session) -> None:
    first, second = champion_id(session), add_version(session, "second")
    with transaction(session.engine) as connection:
        stored = add_verdict(connection, (second, first), VerdictFigures(judge({}, {})), None, "me@here")
    made_champion(session, second)
    with transaction(session.engine) as connection:
        entry = history(connection)[-1]
    assert (entry.version_id, entry.previous_id, entry.verdict_id) == (second, first, stored.id)
    assert (entry.who, entry.reason) == ("me@here", "it is better")
    for statement in ("UPDATE promotions SET who = 'nobody'", "DELETE FROM promotions", "TRUNCATE promotions"):
        with pytest.raises(ProgrammingError, match="only ever appended to"), transaction(session.engine) as connection:
            connection.execute(text(statement))


def test_the_commands_do_and_tell_it_and_the_audit_log_knows(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier = command_over(session, monkeypatch)
    first, second = champion_id(session), add_version(session, "second")
    with transaction(session.engine) as connection:
        add_waiting(connection, "shop", 1)
    done = printed(atelier("models", "promote", second, "--reason", "it is better", "--json"))
    assert (done["champion"], done["previous_id"]) == (second, first)
    listed = printed(atelier("models", "list", "--json"))
    assert [(one["id"], one["state"], one["running_batches"]) for one in listed] == [
        (second, "champion", 0),
        (first, "retired", 1),
    ]
    shown = printed(atelier("models", "show", second, "--json"))
    assert [(entry["kind"], entry["reason"]) for entry in shown["history"]] == [("promote", "it is better")]
    assert f"{second}  champion" in atelier("models", "show", second).stdout
    assert printed(atelier("models", "rollback", "--json"))["champion"] == first
    refused = atelier("models", "promote", first)
    assert isinstance(refused.exception, Conflict)
    assert (
        printed(atelier("models", "retire", add_version(session, "third"), "-r", "no", "--json"))["state"] == "retired"
    )
    told = printed(atelier("audit", "--json"))["entries"]
    assert [entry["what"] for entry in told][:3] == ["models retire", "models rollback", "models promote"]
    assert told[2]["details"] == {"version": second, "previous": first, "reason": "it is better"}
