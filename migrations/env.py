"""Alembic's entry: runs on the connection it is given, in its transaction, or on ATELIER_DATABASE_URL.

There each revision is a transaction of its own: a table that one locks is not kept from others during the next.
"""

from alembic import context
from sqlalchemy import Connection

from shared.database import make_engine
from shared.errors import UsageError
from shared.settings import load_settings
from shared.tables import metadata


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, compare_server_default=False, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    url = load_settings().database_url
    if url is None:
        raise UsageError("set ATELIER_DATABASE_URL, or use `atelier db upgrade`, which also knows embedded mode")
    with make_engine(url.get_secret_value()).connect() as own:
        migrate(own)
