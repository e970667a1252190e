from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from shared.context import Session
from shared.database import needs_upgrade, transaction, upgrade
from shared.tables import metadata


def test_migrations_equal_the_tables(session: Session) -> None:
    with transaction(session.engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_second_upgrade_changes_nothing(session: Session) -> None:
    assert not needs_upgrade(session.engine)
    assert upgrade(session.engine) == []
