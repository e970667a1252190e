"""Upgrades of tables that are in use: down and up again over rows, and what an earlier release still writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    DefaultClause,
    Double,
    MetaData,
    Table,
    Text,
    Time,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from shared.catalog.source_checks import Finding, record_findings, take_page
from shared.context import Session
from shared.database import MIGRATIONS, installed_revision, make_engine, needs_upgrade, transaction, upgrade
from shared.errors import UsageError
from shared.tables import metadata
from tests.builders import add_catalog, add_finished, add_waiting
from tests.sessions import as_superuser
from tests.waiting import wait_for_blocked_connection

JOBS = 200
KEPT = ("merchants", "batches", "chunks", "jobs", "renditions", "job_renditions", "styles", "style_rows", "fair_shares")
"""Tables that every revision has."""

WORDS = {"queue": "bulk", "state": "candidate", "scope": "default", "action": "publish", "reason": "missing"}
WORDS |= {"trigger": "schedule", "depth": "style", "uploads.state": "receiving", "uploads.kind": "picture"}
"""What a column with a choice of words may hold, where it has no default; with its table where others differ."""

ANYTHING: dict[type, Callable[[], Any]] = {
    Uuid: uuid4,
    JSONB: dict,
    ARRAY: list,
    Boolean: bool,
    Date: lambda: date(2026, 1, 1),
    DateTime: lambda: datetime.now(UTC),
    Time: lambda: time(6),
    Double: lambda: 0.5,
}

APPEND_ONLY = ("audit", "promotions")
"""Tables whose rows nobody can update or delete."""


def downgrade(connection: Connection, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, to)


def revisions() -> list[str]:
    """All revisions, newest first."""
    return [one.revision for one in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]


def contents(connection: Connection) -> dict[str, Any]:
    """Number of rows of each table, and a digest of what the first revision's columns hold."""
    digest = "SELECT count(*), md5(string_agg(to_jsonb(t)::text, '' ORDER BY to_jsonb(t)::text)) FROM"
    left_out = {
        "merchants": " - 'allowed_sources' - 'erasing_at' - 'consents_to_training' - 'gate' - 'proof_rules'"
        " - 'soft_limit' - 'hard_limit'",
        "styles": " - 'pictures' - 'is_monochrome'",
        "batches": " - 'gate' - 'idempotency_key' - 'resumed_at' - 'received_at' - 'notice' - 'merchant_paused'"
        " - 'preset_rules' - 'unpublished' - 'planned'",
        "renditions": " - 'quality' - 'report'",
        "jobs": " - 'pixels'",
        "chunks": " - 'claimed_at'",
        "fair_shares": " - 'pace'",
    }
    return {
        table: tuple(
            connection.execute(
                text(digest.replace("to_jsonb(t)", f"(to_jsonb(t){left_out.get(table, '')})") + f" {table} t")
            ).one()
        )
        for table in KEPT
    }


def test_every_migration_goes_down_and_up_again_over_rows_and_loses_none(session: Session) -> None:
    with transaction(session.engine) as connection:
        add_finished(connection, "shop", JOBS)
        add_waiting(connection, "other", JOBS)
        before = contents(connection)
    newest, *earlier = revisions()
    for revision in earlier:
        with transaction(session.engine) as connection:
            downgrade(connection, revision)
            assert contents(connection) == before
    assert needs_upgrade(session.engine)
    assert upgrade(session.engine) == [*earlier[-2::-1], newest]
    with transaction(session.engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert contents(connection) == before
    with transaction(session.engine) as connection:
        downgrade(connection, "base")
        left = connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar_one()
        assert left == 1  # alembic's own


def test_images_styled_before_the_upgrade_learn_their_source_by_their_first_check(session: Session) -> None:
    with transaction(session.engine) as connection:
        add_catalog(connection, add_finished(connection, "shop", JOBS))
        connection.execute(text("DELETE FROM pauses"))
        connection.execute(
            text("UPDATE catalog_images SET source = 'https://cdn.example/a.jpg', styled_content = content")
        )
        downgrade(connection, "0014")
    upgrade(session.engine)
    now = datetime.now(UTC) + timedelta(minutes=1)
    for seen, changed in (("a", 0), ("b", 1)):
        with transaction(session.engine) as connection:
            page = take_page(connection, now)
            assert page is not None
            found = dict.fromkeys(page.sources, Finding(seen * 64))
            assert record_findings(connection, page, found, now) == changed
        now += timedelta(days=2)


def test_while_one_revision_waits_for_its_tables_those_of_the_others_can_be_used(session: Session) -> None:
    with transaction(session.engine) as connection:
        downgrade(connection, "0014")
    with ThreadPoolExecutor() as pool:
        with transaction(session.engine) as reading:
            reading.execute(text("SELECT count(*) FROM catalog_images"))
            upgrading = pool.submit(upgrade, session.engine)
            wait_for_blocked_connection(session)
            with transaction(session.engine) as connection:
                connection.execute(text("SET LOCAL lock_timeout = '60s'"))
                assert connection.execute(text("SELECT count(*) FROM jobs CROSS JOIN merchants")).scalar_one() == 0
                assert MigrationContext.configure(connection).get_current_heads() == ("0016",)
        assert upgrading.result()[:3] == ["0015", "0016", "0017"]


def test_an_upgrade_that_failed_goes_on_where_it_ended(session: Session) -> None:
    with transaction(session.engine) as connection:
        downgrade(connection, "0014")
        connection.execute(text("CREATE INDEX ix_catalog_images_gone_at ON catalog_images (id)"))
    with pytest.raises(ProgrammingError, match="already exists"):
        upgrade(session.engine)
    with transaction(session.engine) as connection:
        assert MigrationContext.configure(connection).get_current_heads() == ("0016",)
        connection.execute(text("DROP INDEX ix_catalog_images_gone_at"))
    assert upgrade(session.engine)[0] == "0017"
    with transaction(session.engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_of_upgrades_at_once_each_revision_is_applied_by_one(session: Session) -> None:
    with transaction(session.engine) as connection:
        downgrade(connection, "0010")
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(upgrade, session.engine) for _ in range(2)]
        applied = sorted(revision for one in done for revision in one.result())
    assert applied == sorted(revision for revision in revisions() if revision > "0010")


def test_what_earlier_releases_write_can_be_written_still(session: Session) -> None:
    """A worker of before goes on after the tables were brought up to date; it knows the columns of its time."""
    known: dict[str, MetaData] = {}
    for revision in revisions()[1:]:
        with transaction(session.engine) as connection:
            downgrade(connection, revision)
            known[revision] = MetaData()
            known[revision].reflect(connection)
    upgrade(session.engine)
    for revision, tables in known.items():
        for everything in (False, True):
            with transaction(session.engine) as connection:
                written = write_a_row_of_each(connection, tables, everything=everything)
                assert set(KEPT) <= set(written), revision
                connection.rollback()


def write_a_row_of_each(connection: Connection, tables: MetaData, *, everything: bool) -> dict[str, dict[str, Any]]:
    """Insert, read, update and delete a row in each table, with the columns that must be given or with all."""
    rows: dict[str, dict[str, Any]] = {}
    ordered = [table for table in tables.sorted_tables if table.name not in ("alembic_version", *APPEND_ONLY)]
    for table in ordered:
        given = {c.name: value(c, rows) for c in table.c if is_given(c, everything)}
        rows[table.name] = dict(connection.execute(table.insert().values(given).returning(*table.c)).one()._mapping)
        same = {c.name: rows[table.name][c.name] for c in table.c if c.identity is None}
        assert connection.execute(table.update().where(*this(table, rows)).values(same)).rowcount == 1
    for table in reversed(ordered):
        assert connection.execute(table.delete().where(*this(table, rows))).rowcount == 1
    return rows


def is_given(column: Column[Any], everything: bool) -> bool:
    if column.identity is not None:
        return False
    return everything or not (column.nullable or column.server_default)


def this(table: Table, rows: dict[str, dict[str, Any]]) -> Iterator[Any]:
    return (key == rows[table.name][key.name] for key in table.primary_key.columns)


def value(column: Column[Any], rows: dict[str, dict[str, Any]]) -> Any:
    """Something that a column may hold: what it refers to, else anything of its type."""
    for key in column.foreign_keys:
        return rows.get(key.column.table.name, {}).get(key.column.name)  # none yet where a table names itself
    if isinstance(column.type, Text):
        if column.server_default is not None:
            assert isinstance(column.server_default, DefaultClause)
            return str(column.server_default.arg).split("'")[1]
        return WORDS.get(str(column)) or WORDS.get(column.name, uuid4().hex)
    return next((make() for kind, make in ANYTHING.items() if isinstance(column.type, kind)), 0)


@contextmanager
def weak_user(session: Session) -> Iterator[str]:
    """Yield the URL of a database whose owner may create no role."""
    assert session.settings.database_url
    url = make_url(session.settings.database_url.get_secret_value())
    name = f"weak_{uuid4().hex}"
    admin = as_superuser(url)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
        connection.execute(text(f"CREATE DATABASE {name} OWNER {name}"))
    yield url.set(username=name, database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        connection.execute(text(f"DROP ROLE {name}"))
    admin.dispose()


def test_who_may_not_create_the_merchants_role_is_told_what_a_superuser_has_to_do(session: Session) -> None:
    with weak_user(session) as url:
        engine = make_engine(url)
        with pytest.raises(UsageError, match="GRANT atelier_merchant TO") as refused:
            upgrade(engine)
        _, _, told = str(refused.value).partition("CREATE ROLE atelier_merchant NOLOGIN; ")
        with transaction(session.engine) as connection:
            connection.execute(text(told.partition(";")[0]))
        assert upgrade(engine)
        with transaction(engine, merchant=1) as connection:
            assert connection.execute(text("SELECT count(*) FROM batches")).scalar_one() == 0
        engine.dispose()


def test_tables_of_a_later_release_serve_this_one_and_are_left_as_they_are(session: Session) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not needs_upgrade(session.engine)
    assert upgrade(session.engine) == []
    assert installed_revision(session.engine) == "9999"
