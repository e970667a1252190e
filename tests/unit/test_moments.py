"""Times on a command line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from producer.commands.main import make_app
from producer.commands.moments import parse_moment
from shared.errors import UsageError

SIX = datetime(2026, 3, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "given", ["2026-03-01T06:00", "2026-03-01 06:00", "2026-03-01T06:00Z", "2026-03-01T07:00+01:00"]
)
def test_a_time_is_in_utc_unless_it_names_a_zone(given: str) -> None:
    assert parse_moment(given) == SIX


@pytest.mark.parametrize("given", ["", "yesterday", "2026-02-30", "0001-01-01T00:00+14:00", "1e300", "\ud800"])
def test_what_is_no_time_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(UsageError, match="write a date or a time"):
        parse_moment(given)


@pytest.mark.parametrize(
    "command",
    [
        ["catalog", "revert", "--as-of", "yesterday"],
        ["catalog", "look", "set", "all", "--style", "udnie", "--until", "yesterday"],
        ["audit", "--since", "yesterday"],
    ],
)
def test_every_command_that_takes_a_time_says_how_to_write_one(command: list[str]) -> None:
    answer = CliRunner().invoke(make_app(), command)
    assert isinstance(answer.exception, UsageError)
    assert "'yesterday' is not valid" in str(answer.exception)
