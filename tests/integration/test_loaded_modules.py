"""Commands that people wait for load what they use, and none of the large packages that they do not."""

import pytest

from shared.context import Session
from tests.atelier_command import command_over
from tests.loaded import loaded_by

DATABASE = {"psycopg", "psycopg_binary", "sqlalchemy"}
SETTINGS = {"annotated_types", "dotenv", "pydantic", "pydantic_core", "pydantic_settings"}
LOGS = {"PIL", "attr", "pygments", "rich", "structlog"}
"""structlog loads rich, which loads attr and pygments."""

OTHERS = {"annotated_doc", "cython_runtime", "shellingham", "typer", "typing_extensions", "typing_inspection"}


@pytest.mark.parametrize("arguments", [["status", "--json"], ["styles", "list", "--json"]])
def test_status_and_styles_load_the_database_and_no_broker_migrations_or_store(
    session: Session, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    command_over(session, monkeypatch)  # sets the environment
    loaded = loaded_by(arguments)
    assert loaded.printed.startswith("[")
    assert loaded.others <= DATABASE | SETTINGS | LOGS | OTHERS
    assert not {
        one for one in loaded.own if one.startswith(("producer.manifest", "producer.submit", "workers.process"))
    }
