"""The one door to Postgres: an engine, transactions, advisory locks, migrations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, InvalidatePoolError, TimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from shared.errors import DatabaseUnavailable, UsageError

RESTED_SECONDS = 0.2

SILENCE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""libpq's own names, seconds and milliseconds: a server that went without a word, as a machine that lost its power
does, is noticed within half a minute; by default the kernel takes two hours."""

CONNECTION = {"connect_timeout": 10, "application_name": "atelier"} | SILENCE
"""What libpq is told, where the URL says nothing else."""

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"

MERCHANT_ROLE = "atelier_merchant"
"""Postgres role that sees and changes the rows of one merchant alone, see the migrations."""


STANDSTILL = "set_config('idle_in_transaction_session_timeout', '30s', true)"
"""Besides taking a lock that everybody needs: who stands still with it loses it."""


class Lock(IntEnum):
    """Advisory locks, taken for the length of a transaction."""

    DISPATCH = 1
    SWEEP = 2
    INSTALL = 3
    CATALOG = 4
    TRAINING = 5


def make_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Return an engine for Postgres through psycopg 3. Raises UsageError on another kind of URL."""
    try:
        parsed = make_url(url)
        if "@" in (parsed.host or ""):  # a piece of the password, which must not come back in a message
            raise ValueError
    except (ArgumentError, ValueError):
        raise UsageError(
            "ATELIER_DATABASE_URL is not a database URL: write postgresql://user:password@host/name, and "
            "percent-encode what is special in the password"
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
    return engine


def _check_after_rest(engine: Engine) -> None:
    """Let the pool see that a connection still lives before it is used, if it has rested, and else open another.

    SQLAlchemy's own check is a round trip before every transaction: a sixth of all those that a chunk takes.
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
def transaction(engine: Engine, *, merchant: int | None = None) -> Iterator[Connection]:
    """Open a connection, commit at the end, roll back on an error.

    With a ``merchant`` it is confined to his rows: whatever is done for one belongs in such a transaction.
    A database that cannot be reached or goes away becomes DatabaseUnavailable here, and only here.
    """
    try:
        with engine.begin() as connection:
            if merchant is not None:
                confine(connection, merchant)
            yield connection
    except (DisconnectionError, TimeoutError) as error:
        raise DatabaseUnavailable(f"Postgres does not answer: {error}") from error
    except (DBAPIError, psycopg.Error) as error:  # psycopg's own where COPY goes past SQLAlchemy
        original = error.orig if isinstance(error, DBAPIError) else error
        if _is_outage(original) or (isinstance(error, DBAPIError) and error.connection_invalidated):
            detail = " ".join(str(original).split())
            raise DatabaseUnavailable(f"Postgres cannot be reached or gave up: {detail}") from error
        raise


def _is_outage(error: BaseException | None) -> bool:
    """Whether the server rather than the statement is at fault."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    # 08 connection, 40 serialisation or deadlock, 53 out of resources, 58 its system, 57P shutdown,
    # 25006 read only while another server takes over, 25P03 we stood still within a transaction.
    return state[:2] in ("08", "40", "53", "58") or state[:3] == "57P" or state in ("25006", "25P03")


def confine(connection: Connection, merchant: int) -> None:
    """Let the rest of a transaction see and change nothing but one merchant's rows.

    Row-level security is the second line: a query that forgets its WHERE finds nothing of another's.
    """
    connection.execute(
        text("SELECT set_config('role', :role, true), set_config('atelier.merchant_id', :merchant, true)"),
        {"role": MERCHANT_ROLE, "merchant": str(merchant)},
    )


def lock(connection: Connection, which: Lock, key: int = 0) -> None:
    """Wait for an advisory lock and hold it until the transaction ends, or its process stands still."""
    connection.execute(
        text(f"SELECT pg_advisory_xact_lock(:which, :key), {STANDSTILL}"), {"which": which.value, "key": key}
    )


def try_lock(connection: Connection, which: Lock, key: int = 0, *, shared: bool = False) -> bool:
    """Take an advisory lock if it is free; False if another holds it. Those who take it ``shared`` hold it together."""
    take = "pg_try_advisory_xact_lock_shared" if shared else "pg_try_advisory_xact_lock"
    found = connection.execute(text(f"SELECT {take}(:which, :key), {STANDSTILL}"), {"which": which.value, "key": key})
    return bool(found.scalar_one())


def end_idle_transactions(engine: Engine, seconds: float) -> None:
    """Let Postgres roll back what a process of ours leaves open and idle, so that it blocks nobody for longer.

    A process that stands still (a machine that sleeps, a debugger) keeps its locks otherwise, however long its
    lease is over. For processes whose transactions wait for nothing but Postgres.
    """

    def tell(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{seconds:.0f}s'")
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", tell)
    engine.dispose()  # connections of before were not told


def upgrade(engine: Engine) -> list[str]:
    """Bring the tables to the newest revision; return the revisions applied here, oldest first.

    Each has a transaction of its own, so that no table is kept from others while another is changed. Where one
    fails, those before it stay, and the next call goes on from there. Of calls at once each takes what comes next.
    """
    from alembic import command  # here, so that whoever upgrades nothing does not load it
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    applied: list[str] = []
    while True:
        with transaction(engine) as connection:
            lock(connection, Lock.INSTALL)
            before = MigrationContext.configure(connection).get_current_heads()
            pending = [one.revision for one in script.iterate_revisions("head", before or "base")]
            if not pending:
                return applied
            config.attributes["connection"] = connection
            command.upgrade(config, pending[-1])
        applied.append(pending[-1])


def needs_upgrade(engine: Engine) -> bool:
    """Say whether the tables are those of another revision than this code's newest."""
    with transaction(engine) as connection:
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return True
        installed = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return installed != [newest_revision()]


def newest_revision() -> str:
    """Return the newest revision by the names of the migrations' files, without loading Alembic and all of them."""
    return max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
