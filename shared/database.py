"""Connect to Postgres: engine, transactions, advisory locks, migrations."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, InvalidatePoolError, TimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from shared.errors import DatabaseUnavailable, StatementTimeout, UsageError

RESTED_SECONDS = 0.2

STATEMENT_SECONDS = 60.0
"""Longest that Postgres works on one statement, waiting for locks included, unless the settings say otherwise."""

MAINTENANCE_SECONDS = 3600.0
"""The same for migrations and for maintenance that reads or rewrites whole tables."""

SILENCE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""libpq options, in seconds and milliseconds. They detect a server that vanished, as in a power cut, within half a
minute; by default the kernel takes two hours."""

CONNECTION = {"connect_timeout": 10, "application_name": "atelier"} | SILENCE
"""libpq options where the URL does not set them."""

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"

LOCK_PATIENCE = "5s"
"""How long a migration waits for a table. Whoever wants the table meanwhile waits behind it."""

MOST_COLLISIONS = 100
"""Of an upgrade with the work that goes on: some minutes."""

MERCHANT_ROLE = "atelier_merchant"
"""Postgres role that sees and changes the rows of one merchant only, see the migrations."""


STANDSTILL = "set_config('idle_in_transaction_session_timeout', '30s', true)"
"""Run with each lock that others need: a process that hangs in the transaction loses the lock."""


class Lock(IntEnum):
    """Advisory locks, held until the transaction ends."""

    DISPATCH = 1
    SWEEP = 2
    INSTALL = 3
    CATALOG = 4
    TRAINING = 5
    RECONCILE = 6


def make_engine(url: str, *, pool_size: int = 5, statement_seconds: float = STATEMENT_SECONDS) -> Engine:
    """Return an engine for Postgres through psycopg 3. Raises UsageError for a URL of another kind.

    Postgres stops each statement that takes longer than ``statement_seconds``, see ``transaction``.
    """
    try:
        parsed = make_url(url)
        if "@" in (parsed.host or ""):  # part of the password, which no message may repeat
            raise ValueError
    except (ArgumentError, ValueError):
        raise UsageError(
            "ATELIER_DATABASE_URL is not a database URL: write postgresql://user:password@host/name, and "
            "percent-encode special characters of the password"
        ) from None
    if parsed.get_backend_name() != "postgresql":
        raise UsageError(f"ATELIER_DATABASE_URL names {parsed.get_backend_name()}; Atelier needs Postgres 18")
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={name: value for name, value in CONNECTION.items() if name not in parsed.query},
    )
    _check_after_rest(engine)
    _configure_connections(engine, statement_timeout=statement_seconds)
    return engine


def _check_after_rest(engine: Engine) -> None:
    """Have the pool test an idle connection before it is used, and replace a dead one.

    SQLAlchemy's own test is a round trip before every transaction: a sixth of all round trips of a chunk.
    """

    def note(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    def check(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        used = record.info.get("used")
        if used is not None and time.monotonic() - used > RESTED_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except psycopg.Error as error:
                raise InvalidatePoolError(str(error)) from error

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", check)


@contextmanager
def transaction(
    engine: Engine, *, merchant: int | None = None, statement_seconds: float | None = None
) -> Iterator[Connection]:
    """Open a connection, commit at the end, roll back on an error.

    With a ``merchant`` the transaction is confined to that merchant's rows, as everything done for a merchant must be.
    ``statement_seconds`` replaces the engine's limit for long maintenance. An outage of the database becomes
    DatabaseUnavailable here, and a statement beyond the limit StatementTimeout, and only here.
    """
    try:
        with engine.begin() as connection:
            if statement_seconds is not None:
                allow_seconds(connection, statement_seconds)
            if merchant is not None:
                confine(connection, merchant)
            yield connection
    except (DisconnectionError, TimeoutError) as error:
        raise DatabaseUnavailable(f"Postgres does not answer: {error}") from error
    except (DBAPIError, psycopg.Error) as error:  # COPY bypasses SQLAlchemy and raises psycopg's errors
        original = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(original, psycopg.errors.QueryCanceled):
            raise StatementTimeout(
                "Postgres stopped a statement that took too long, or that an administrator cancelled; nothing of its "
                "transaction was stored. Try again; if it happens again, look for slow queries and locks in Postgres, "
                "or raise ATELIER_STATEMENT_SECONDS"
            ) from error
        if _is_outage(original) or (isinstance(error, DBAPIError) and error.connection_invalidated):
            detail = " ".join(str(original).split())
            raise DatabaseUnavailable(f"Postgres cannot be reached or broke off: {detail}") from error
        raise


def allow_seconds(connection: Connection, seconds: float) -> None:
    """Set how long each statement of the rest of a transaction may take."""
    connection.execute(
        text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{seconds * 1000:.0f}ms"}
    )


def database_time(connection: Connection) -> datetime:
    """Return what time it is by the database, which all machines agree on."""
    found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found.astimezone(UTC)


def read_clock(engine: Engine) -> datetime:
    """As ``database_time``, in a transaction of its own."""
    with transaction(engine) as connection:
        return database_time(connection)


def _is_outage(error: BaseException | None) -> bool:
    """Return whether the server, not the statement, is at fault."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    # 08 connection, 40 serialisation or deadlock, 53 out of resources, 58 system error, 57P shutdown,
    # 25006 read only during a failover, 25P03 idle too long within a transaction.
    return state[:2] in ("08", "40", "53", "58") or state[:3] == "57P" or state in ("25006", "25P03")


def confine(connection: Connection, merchant: int) -> None:
    """Confine the rest of a transaction to one merchant's rows.

    Row-level security is the second line of defence: a query that forgets its WHERE still sees only these rows.
    """
    connection.execute(
        text("SELECT set_config('role', :role, true), set_config('atelier.merchant_id', :merchant, true)"),
        {"role": MERCHANT_ROLE, "merchant": str(merchant)},
    )


def lock(connection: Connection, which: Lock, key: int = 0) -> None:
    """Wait for an advisory lock and hold it until the transaction ends, or the process hangs."""
    connection.execute(
        text(f"SELECT pg_advisory_xact_lock(:which, :key), {STANDSTILL}"), {"which": which.value, "key": key}
    )


def try_lock(connection: Connection, which: Lock, key: int = 0, *, shared: bool = False) -> bool:
    """Take an advisory lock if it is free, and return whether it was. ``shared`` locks do not exclude each other."""
    take = "pg_try_advisory_xact_lock_shared" if shared else "pg_try_advisory_xact_lock"
    row = connection.execute(text(f"SELECT {take}(:which, :key), {STANDSTILL}"), {"which": which.value, "key": key})
    return bool(row.scalar_one())


def end_idle_transactions(engine: Engine, seconds: float) -> None:
    """Have Postgres roll back transactions that this process leaves open and idle, so that they block nobody.

    A process that hangs (a suspended machine, a debugger) would otherwise keep its locks, even after its lease.
    Use it for processes whose transactions wait for nothing but Postgres.
    """
    _configure_connections(engine, idle_in_transaction_session_timeout=seconds)
    engine.dispose()  # existing connections lack the setting


def _configure_connections(engine: Engine, **limits: float) -> None:
    """Set limits, in seconds, on every new connection."""

    def configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for name, seconds in limits.items():
            cursor.execute(f"SET {name} = '{seconds * 1000:.0f}ms'")
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", configure)


def upgrade(engine: Engine) -> list[str]:
    """Upgrade the tables to the newest revision; return the revisions applied by this call, oldest first.

    Each revision has a transaction of its own, so that no table is locked while another one changes. After a
    failure the earlier revisions stay, and the next call continues. Concurrent calls take revisions in turn.
    Work may go on meanwhile: a revision that waits too long for a table, or is caught in a deadlock, is tried again.
    Tables of a later release are left as they are.
    """
    applied: list[str] = []
    collisions = 0
    while True:
        try:
            revision = _apply_next_revision(engine)
        except (DatabaseUnavailable, DBAPIError) as error:
            collisions += 1
            if not _is_collision(error) or collisions == MOST_COLLISIONS:
                raise
            time.sleep(random.uniform(0.1, 0.5))
            continue
        if revision is None:
            return applied
        applied.append(revision)


def _apply_next_revision(engine: Engine) -> str | None:
    """Apply the oldest revision that the tables lack; return it, or None where they lack none."""
    from alembic import command  # here, so that whoever upgrades nothing does not load it
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with transaction(engine, statement_seconds=MAINTENANCE_SECONDS) as connection:
        lock(connection, Lock.INSTALL)
        before = MigrationContext.configure(connection).get_current_heads()
        if max(before, default="") > newest_revision():
            return None
        pending = [found.revision for found in script.iterate_revisions("head", before or "base")]
        if not pending:
            return None
        connection.execute(text("SELECT set_config('lock_timeout', :patience, true)"), {"patience": LOCK_PATIENCE})
        config.attributes["connection"] = connection
        command.upgrade(config, pending[-1])
        return pending[-1]


def _is_collision(error: Exception) -> bool:
    """Return whether a revision met somebody who works on its tables: a deadlock, or a lock not had in time."""
    cause = error.__cause__ if isinstance(error, DatabaseUnavailable) else error
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", None) in ("40P01", "55P03")


def needs_upgrade(engine: Engine) -> bool:
    """Return whether the tables are older than this code.

    Tables of a later release serve this one too, so that a rolling upgrade can migrate first: migrations only add what
    the release before can do without, see "Upgrade" in ``docs/operations.md``.
    """
    installed = installed_revision(engine)
    return installed is None or installed < newest_revision()


def installed_revision(engine: Engine) -> str | None:
    """Return the revision of the tables; None of an empty database."""
    with transaction(engine) as connection:
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        found: str | None = connection.execute(text("SELECT max(version_num) FROM alembic_version")).scalar_one()
        return found


def newest_revision() -> str:
    """Return the newest revision by the names of the migrations' files, without loading Alembic and all of them."""
    return max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
