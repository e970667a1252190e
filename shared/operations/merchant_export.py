"""Write everything that belongs to a merchant to a folder: rows as JSON Lines by table, and the objects."""

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
    """Rows by table, and objects, including those that an earlier call wrote."""

    rows: dict[str, int] = field(default_factory=dict)
    objects: int = 0


def export_merchant(
    engine: Engine, store: ObjectStore, merchant: int, out: Path, report: Callable[[str], None]
) -> Exported:
    """Write ``tables/NAME.jsonl`` and ``objects/KEY`` below ``out``, with at most one object in memory.

    The rows are a snapshot of one moment. After an interruption the same call continues: existing objects
    are not read again. Raises UsageError when the folder cannot be written.
    """
    with transaction(engine) as connection:
        audit.record(connection, audit.operator(), "merchants export", merchant, {})
    exported = Exported()
    try:
        (out / "tables").mkdir(mode=0o700, parents=True, exist_ok=True)
        with transaction(engine) as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            confine(connection, merchant)
            for table, condition in readable(connection).items():
                lines = rows(connection, table, condition, merchant)
                exported.rows[table] = write_lines(out / "tables" / f"{table}.jsonl", lines)
            styles = own_style_objects(connection, merchant)
        report(f"{sum(exported.rows.values())} rows written")
        for key, size in objects(store, merchant, styles):
            write_object(store, key, size, out / "objects" / key)
            exported.objects += 1
            if exported.objects % TELL_EVERY == 0:
                report(f"{exported.objects} objects written")
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}", code="unwritable_output") from error
    return exported


def readable(connection: Connection) -> dict[str, str]:
    """Return the tables with merchants' rows that a merchant may read; hashes of API keys, for one, are not."""
    query = text("SELECT has_table_privilege(:role, :table, 'SELECT')")
    return {
        table: condition
        for table, condition in belongings().items()
        if connection.execute(query, {"role": MERCHANT_ROLE, "table": table}).scalar_one()
    }


def rows(connection: Connection, table: str, condition: str, merchant: int) -> Iterator[str]:
    """Yield a merchant's rows of a table, each as JSON text made by the server."""
    return connection.execute(
        text(f"SELECT CAST(to_jsonb(t) AS text) FROM {table} t WHERE {condition}"),
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
    """Write lines to a file that appears only when complete; return their number."""
    part, count = path.with_name(f".{path.name}.part"), 0
    with part.open("w", encoding="utf-8") as file:
        for count, line in enumerate(lines, 1):  # noqa: B007 - the last number is the count
            file.write(line + "\n")
    os.replace(part, path)
    return count


def write_object(store: ObjectStore, key: str, size: int | None, path: Path) -> None:
    """Copy an object to a file, unless an earlier call has done so."""
    if path.exists() and path.stat().st_size == size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(store.get(key))
    os.replace(part, path)
