"""Naming of constraints, and kinds of columns that all tables share."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, DateTime, Integer, MetaData, text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

QUEUES = ("preview", "bulk", "nightly")
"""Classes of work, in order of priority. Training has a queue and a worker of its own."""


def moment(name: str, *, default: bool = False, nullable: bool = True) -> Column[object]:
    """Return a column of a time in UTC; its ``default`` is the time of the insert."""
    server_default = text("clock_timestamp()") if default else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=server_default)


def count(name: str) -> Column[int]:
    """Return a column that counts from 0."""
    return Column(name, Integer, nullable=False, server_default=text("0"))


def one_of(column: str, *values: str) -> CheckConstraint:
    """Return a constraint on the values of a column."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
