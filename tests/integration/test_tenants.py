"""One merchant's rows are not there for another: neither for the role they are asked as, nor for any command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import typer
from PIL import Image
from sqlalchemy import Column, Connection, Delete, Insert, Row, Table, Update, func, select, text
from sqlalchemy.exc import ProgrammingError

from producer.commands.main import make_app
from shared.context import Session
from shared.database import confine, transaction
from shared.embedded import Services
from shared.errors import NotFound, UnknownStyle
from shared.merchants import audit
from shared.merchants.backgrounds import BackgroundPicture, put_background
from shared.merchants.keys import create_key
from shared.merchants.merchants import merchant_id
from shared.merchants.presets import add_preset
from shared.models.styles import Style, StyleRow, add_style, add_style_row
from shared.models.versions import champion
from shared.presets import Preset
from shared.queue import batches, jobs
from shared.source_copies import SourceCopy, keep_copy
from shared.tables import metadata
from shared.uploads.uploads import NewUpload, add_upload
from shared.webhooks.deliveries import add_test
from shared.webhooks.webhooks import Event, add_webhook
from tests.atelier_command import Command, command_over
from tests.builders import add_catalog, add_finished, add_usage, add_waiting
from tests.query_plans import rows_touched
from tests.sessions import fresh_session

JOBS = 200
OWNED = [table for table in metadata.sorted_tables if "merchant_id" in table.c]
PARTS = [metadata.tables[name] for name in ("job_renditions", "style_rows", "merchants")]
"""Tables whose rows belong to a merchant by way of another table, or are merchants."""


@dataclass(frozen=True)
class Tenants:
    """Two merchants with rows in every table, and the ids of the batches of the other."""

    shop: int
    other: int
    others_batches: list[UUID]


@pytest.fixture(scope="module")
def session(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One for all tests here: nothing that they try may change anything."""
    with fresh_session(services, tmp_path_factory.mktemp("tenants")) as found:
        yield found


@pytest.fixture(scope="module")
def tenants(session: Session) -> Tenants:
    ids, others = {}, []
    with transaction(session.engine) as connection:
        for name in ("shop", "other"):
            finished = add_finished(connection, name, JOBS)
            add_catalog(connection, finished)
            others = [finished.id, add_waiting(connection, name, JOBS).id]
            ids[name] = merchant_id(connection, name)
            style = add_style(connection, Style("tahiti", name, "", "", ""), merchant=ids[name])
            add_style_row(connection, style, "trunk", StyleRow("tahiti", "sha", "styles/sha.safetensors"))
            keep_copy(connection, ids[name], "https://shop.example/mug.jpg", SourceCopy("tag", None, "sha"))
            create_key(connection, ids[name], "webshop")
            webhook, _ = add_webhook(connection, ids[name], "https://shop.example/hook", [Event.BATCH_FINISHED])
            add_test(connection, ids[name], webhook.id)
            put_background(connection, ids[name], BackgroundPicture("paper", "sha", 640, 480))
            add_preset(connection, ids[name], Preset("own", ("90x90",)))
            add_upload(connection, ids[name], NewUpload("red.jpg", 1, 1))
            connection.execute(
                text("INSERT INTO reviews (batch_id, ordinal, merchant_id) VALUES (:batch, 0, :id)"),
                {"batch": finished.id, "id": ids[name]},
            )
            audit.record(connection, "me@here", "submit", ids[name], {})
            connection.execute(text("INSERT INTO fair_shares VALUES (:id, 'bulk', 1)"), {"id": ids[name]})
            add_usage(connection, ids[name])
    return Tenants(ids["shop"], ids["other"], others)


def rows_of(connection: Connection, table: Table, merchant: int) -> list[Row[tuple[object, ...]]]:
    """One merchant's rows of a table, as its owner sees them."""
    if "merchant_id" in table.c:
        return list(connection.execute(select(table).where(table.c.merchant_id == merchant)))
    if table.name == "merchants":
        return list(connection.execute(select(table).where(table.c.id == merchant)))
    through = metadata.tables["batches" if table.name == "job_renditions" else "styles"]
    key = table.c.batch_id if table.name == "job_renditions" else table.c.style_id
    return list(connection.execute(select(table).join(through, through.c.id == key).filter_by(merchant_id=merchant)))


def test_every_table_that_belongs_to_merchants_is_under_row_level_security(session: Session) -> None:
    with transaction(session.engine) as connection:
        secured = set(connection.execute(text("SELECT relname FROM pg_class WHERE relrowsecurity")).scalars())
    assert {table.name for table in OWNED + PARTS} <= secured


def test_the_role_may_not_log_in_nor_pass_by_the_policies(session: Session) -> None:
    with transaction(session.engine) as connection:
        role = connection.execute(
            text("SELECT rolcanlogin, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'atelier_merchant'")
        ).one()
    assert not any(role)


@pytest.mark.parametrize("table", OWNED + PARTS, ids=lambda table: table.name)
def test_another_merchants_rows_can_be_neither_seen_nor_changed_nor_added(
    session: Session, tenants: Tenants, table: Table
) -> None:
    keys = list(table.primary_key.columns)
    with transaction(session.engine) as connection:
        mine, theirs = (rows_of(connection, table, one) for one in (tenants.shop, tenants.other))
    assert mine
    assert theirs
    one = theirs[0]._mapping
    this = [key == one[key.name] for key in keys]
    with transaction(session.engine, merchant=tenants.shop) as connection:
        seen = {str(row) for row in connection.execute(select(*keys))}
        assert named(theirs, keys).isdisjoint(seen)
        assert named(mine, keys) <= seen
        again = {name: value for name, value in one.items() if table.c[name].identity is None}
        assert changed(connection, table.update().where(*this).values(again)) == 0
        assert changed(connection, table.delete().where(*this)) == 0
        assert changed(connection, table.insert().values(again)) == 0


def named(rows: Sequence[Row[tuple[object, ...]]], keys: Sequence[Column[Any]]) -> set[str]:
    """Rows by their primary keys, as text: some are JSON, of which there can be no set."""
    return {str(tuple(row._mapping[key.name] for key in keys)) for row in rows}


def changed(connection: Connection, statement: Insert | Update | Delete) -> int:
    """Rows a statement changed: none where it is not allowed."""
    try:
        with connection.begin_nested():
            return connection.execute(statement).rowcount
    except ProgrammingError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        return 0


@pytest.mark.parametrize("name", ["batches", "jobs", "chunks"])
def test_a_row_cannot_be_given_to_another_merchant(session: Session, tenants: Tenants, name: str) -> None:
    with transaction(session.engine, merchant=tenants.shop) as connection:
        given = metadata.tables[name].update().values(merchant_id=tenants.other)
        with pytest.raises(ProgrammingError, match="row-level security"), connection.begin_nested():
            connection.execute(given)


@pytest.mark.parametrize("table", OWNED + PARTS, ids=lambda table: table.name)
def test_whoever_names_no_merchant_sees_nothing_of_any(session: Session, tenants: Tenants, table: Table) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text("SET LOCAL ROLE atelier_merchant"))
        columns = [table.c.merchant_id] if "merchant_id" in table.c else list(table.primary_key.columns)
        seen = connection.execute(select(*columns)).all()
    if table.name in ("styles", "style_rows"):
        seen = [row for row in seen if row[0] is not None and table.name == "styles"]  # the rest is public
    assert seen == []


def test_a_transaction_leaves_nothing_of_its_scope_behind(session: Session, tenants: Tenants) -> None:
    with transaction(session.engine, merchant=tenants.shop) as connection:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with transaction(session.engine) as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() == process
        assert connection.execute(select(func.count(metadata.tables["batches"].c.id))).scalar_one() == 4


def test_a_query_that_forgets_whose_batch_it_is_finds_none(session: Session, tenants: Tenants) -> None:
    with transaction(session.engine, merchant=tenants.shop) as connection:
        for batch in tenants.others_batches:
            with pytest.raises(NotFound):
                batches.get_batch(connection, batch)
            assert list(jobs.results(connection, batch, JOBS)) == []


def test_a_confined_page_of_results_reads_little_more_than_it_shows(session: Session, tenants: Tenants) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", 1000)
        connection.execute(
            text("""
            INSERT INTO batches (merchant_id, name, queue, look, presets, model_version_id, style_rows, fingerprint,
                                 input_columns)
            SELECT merchant_id, name, queue, look, presets, model_version_id, style_rows, fingerprint, input_columns
            FROM batches CROSS JOIN generate_series(1, 100)
            """)
        )
        connection.execute(text("ANALYZE"))
        confine(connection, tenants.shop)
        touched = rows_touched(connection, lambda: jobs.results_between(connection, batch.id, 200, 298))
        connection.rollback()
    # For each rendition the batch is looked up that says whose it is.
    assert touched == {"jobs": 99, "job_renditions": 99, "renditions": 99, "batches": 99}


@pytest.fixture
def atelier(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    return command_over(session, monkeypatch)


def commands_of_a_batch() -> list[str]:
    """Every command with a parameter ``batch``, whichever package it comes from."""
    root: Any = typer.main.get_command(make_app())  # a click group, which Typer hides
    found = []
    for name in root.commands:
        _, command, _ = root.resolve_command(typer.Context(root), [name])
        for path, one in ((name, command), *((f"{name} {n}", c) for n, c in getattr(command, "commands", {}).items())):
            if any(parameter.name == "batch" for parameter in one.params):
                found.append(path)
    return sorted(found)


def test_no_command_knows_a_style_of_another_merchant(
    session: Session, tenants: Tenants, atelier: Command, tmp_path: Path
) -> None:
    with transaction(session.engine) as connection:
        trunk = champion(connection).trunk_sha256
        style = add_style(connection, Style("secret", "Secret", "", "", ""), merchant=tenants.other)
        add_style_row(connection, style, trunk, StyleRow("secret", "sha", "styles/sha.safetensors"))
    photo, out = tmp_path / "mug.png", tmp_path / "out.png"
    Image.new("RGB", (8, 8)).save(photo)
    for whose in (["--merchant", "shop"], ["--merchant", "never-seen"]):
        assert "secret" not in atelier("styles", "list", *whose).output
        for command in (
            ("styles", "export", "secret", "--out", out),
            ("styles", "preview", "secret", photo, "--out", out),
            ("submit", photo, "--style", "secret"),
            ("submit", photo, "--style", "secret", "--dry-run"),
        ):
            assert isinstance(atelier(*command, *whose).exception, UnknownStyle), command
    for name, photos in (("export", []), ("preview", [photo])):
        done = atelier("styles", name, "secret", *photos, "--out", out)
        assert isinstance(done.exception, UnknownStyle)
    assert "secret" in atelier("styles", "list", "--merchant", "other").output


def test_no_command_knows_a_batch_of_another_merchant(
    session: Session, tenants: Tenants, atelier: Command, tmp_path: Path
) -> None:
    def state() -> object:
        with transaction(session.engine) as connection:
            return [batches.get_batch(connection, batch) for batch in tenants.others_batches]

    before, commands = state(), commands_of_a_batch()
    assert {"status", "cancel", "pause", "resume", "retry", "download"} <= set(commands)
    for command, batch in product(commands, tenants.others_batches):
        more = {
            "download": ["--out", str(tmp_path / "out")],
            "feed export": ["--base-url", "https://shop.example", "--out", str(tmp_path / "feed.csv")],
            "dead-letters show": ["0"],
            "reviews approve": ["0"],
            "reviews reject": ["0"],
        }.get(command, [])
        for wanted in (str(batch), batch.hex[:20]):
            done = atelier(*command.split(), wanted, *more, "--merchant", "shop")
            assert isinstance(done.exception, NotFound), (command, done.output)
            assert str(done.exception).startswith("no batch")
    assert state() == before
