"""Everything that belongs to a merchant, written to a folder: rows as JSON Lines by table, and the objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from shared.database import MERCHANT_ROLE, confine, transaction
from shared.errors import UsageError
from shared.merchants import audit
from shared.operations.belongings import belongings, own_objects, own_style_objects
from shared.store import ObjectStore

ROWS_AT_ONCE = 2000
TELL_EVERY = 1000


@dataclass
class Exported:
    """Rows by table, and objects; those that a former call had written are among them."""

    rows: dict[str, int] = field(default_factory=dict)
    objects: int = 0


def export_merchant(
    engine: Engine, store: ObjectStore, merchant: int, out: Path, tell: Callable[[str], None]
) -> Exported:
    """Write ``tables/NAME.jsonl`` and ``objects/KEY`` below ``out``; nothing is held in memory but one object.

    The rows are those of one moment. Interrupted, the same call goes on: objects that are there already
    are not read again. Raises UsageError where the folder cannot be written.
    """
    with transaction(engine) as connection:
        audit.record(connection, audit.operator(), "merchants export", merchant, {})
    done = Exported()
    try:
        (out / "tables").mkdir(mode=0o700, parents=True, exist_ok=True)
        with transaction(engine) as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            confine(connection, merchant)
            for table, whose in readable(connection).items():
                lines = rows(connection, table, whose, merchant)
                done.rows[table] = write_lines(out / "tables" / f"{table}.jsonl", lines)
            styles = own_style_objects(connection, merchant)
        tell(f"{sum(done.rows.values())} rows written")
        for key, size in objects(store, merchant, styles):
            write_object(store, key, size, out / "objects" / key)
            done.objects += 1
            if done.objects % TELL_EVERY == 0:
                tell(f"{done.objects} objects written")
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}", code="unwritable_output") from error
    return done


def readable(connection: Connection) -> dict[str, str]:
    """The tables with rows of merchants, less those that a merchant may not see, as the hashes of API keys."""
    may = text("SELECT has_table_privilege(:role, :table, 'SELECT')")
    return {
        table: whose
        for table, whose in belongings().items()
        if connection.execute(may, {"role": MERCHANT_ROLE, "table": table}).scalar_one()
    }


def rows(connection: Connection, table: str, whose: str, merchant: int) -> Iterator[str]:
    """Yield a merchant's rows of a table, each as a JSON object that the server writes."""
    return connection.execute(
        text(f"SELECT CAST(to_jsonb(t) AS text) FROM {table} t WHERE {whose}"),
        {"merchant": merchant},
        execution_options={"stream_results": True, "yield_per": ROWS_AT_ONCE},
    ).scalars()


def objects(store: ObjectStore, merchant: int, styles: list[str]) -> Iterator[tuple[str, int | None]]:
    """Yield the keys and sizes of a merchant's objects."""
    for info in own_objects(store, merchant):
        yield info.key, info.bytes
    for key in styles:
        yield key, store.size(key)


def write_lines(path: Path, lines: Iterator[str]) -> int:
    """Write lines to a file, which appears only when whole; return their number."""
    part, count = path.with_name(f".{path.name}.part"), 0
    with part.open("w", encoding="utf-8") as file:
        for count, line in enumerate(lines, 1):  # noqa: B007 - the last number is what is asked for
            file.write(line + "\n")
    os.replace(part, path)
    return count


def write_object(store: ObjectStore, key: str, size: int | None, path: Path) -> None:
    """Copy an object to a file, unless a former call did."""
    if path.exists() and path.stat().st_size == size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(store.get(key))
    os.replace(part, path)
