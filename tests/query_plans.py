"""What a query reads: the statements that a call sends, and the rows that Postgres touches for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

Statement = tuple[str, Any]


@contextmanager
def statements(engine: Engine) -> Iterator[list[Statement]]:
    """Yield a list that fills with the statements sent meanwhile, with their parameters."""
    sent: list[Statement] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def rows_touched(connection: Connection, call: Callable[[], object]) -> dict[str, int]:
    """Return, by table, how many rows the queries of a call fetch, whether they keep them or not."""
    with statements(connection.engine) as sent:
        call()
    touched: dict[str, int] = {}
    for statement, parameters in sent:
        (found,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).one()
        for node in nodes(found[0]["Plan"]):
            if table := node.get("Relation Name"):
                dropped = sum(int(count) for name, count in node.items() if name.startswith("Rows Removed by"))
                rows = round((node["Actual Rows"] + dropped) * node["Actual Loops"])
                touched[table] = touched.get(table, 0) + rows
    return touched


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes, each before those below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
