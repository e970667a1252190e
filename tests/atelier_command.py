"""The command over a test's session."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from producer.commands.main import make_app
from shared.context import Session

Command = Callable[..., Result]


def command_over(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs ``atelier`` with some arguments on the session's services."""
    settings = session.settings
    assert settings.database_url
    assert settings.broker_url
    monkeypatch.setenv("ATELIER_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("ATELIER_BROKER_URL", settings.broker_url.get_secret_value())
    monkeypatch.setenv("ATELIER_HOME", str(settings.home))

    def run(*arguments: object) -> Result:
        try:
            return CliRunner().invoke(make_app(), [str(one) for one in arguments])
        finally:
            structlog.reset_defaults()  # the command's logs went to its own standard error, which is closed by now

    return run


def printed(result: Result) -> Any:
    """The JSON that a command printed; it must have succeeded."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
