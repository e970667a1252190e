"""Confine a role to the rows of one merchant: the second line behind every query's own WHERE.

Whoever takes the role sees and changes the rows of the merchant in the setting ``atelier.merchant_id``, and
without one none. The tables' owner, as whom workers and operators come, is not confined.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from shared.errors import UsageError

revision = "0005"
down_revision = "0004"

ROLE = "atelier_merchant"

# In a subquery it is found once for a statement, not once for a row.
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"

# In the order in which workers lock.
TABLES = {
    "chunks": (f"merchant_id = {OWN}", "SELECT, INSERT, UPDATE"),
    "renditions": (f"merchant_id = {OWN}", "SELECT"),
    "jobs": (f"merchant_id = {OWN}", "SELECT, INSERT, UPDATE"),
    # Not EXISTS, for which the planner may read all the batches there are.
    "job_renditions": (f"(SELECT b.merchant_id FROM batches b WHERE b.id = batch_id) = {OWN}", "SELECT"),
    "batches": (f"merchant_id = {OWN}", "SELECT, INSERT, UPDATE"),
    "source_copies": (f"merchant_id = {OWN}", "SELECT"),
    "fair_shares": (f"merchant_id = {OWN}", "SELECT"),
    "styles": (f"merchant_id IS NULL OR merchant_id = {OWN}", "SELECT"),
    "style_rows": ("EXISTS (SELECT FROM styles s WHERE s.id = style_id)", "SELECT"),
    "merchants": (f"id = {OWN}", "SELECT"),
}

# The role belongs to the whole cluster: another database, migrated at the same time, may have made it.
CREATE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        CREATE ROLE {ROLE} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN NULL;
END $$
"""
GRANT_ROLE = f"""
DO $$ BEGIN
    IF NOT pg_has_role(current_user, '{ROLE}', 'SET') THEN
        GRANT {ROLE} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE;
    END IF;
EXCEPTION WHEN undefined_object OR insufficient_privilege THEN NULL;
END $$
"""
MAY_TAKE_IT = f"""
SELECT coalesce((SELECT pg_has_role(current_user, oid, 'SET') FROM pg_roles WHERE rolname = '{ROLE}'), false)
"""


def upgrade() -> None:
    op.execute(CREATE_ROLE)
    op.execute(GRANT_ROLE)
    connection = op.get_bind()
    if not connection.exec_driver_sql(MAY_TAKE_IT).scalar_one():
        user = connection.exec_driver_sql("SELECT quote_ident(current_user)").scalar_one()
        raise UsageError(
            f"{user} may not create the role that keeps merchants apart: have a superuser run "
            f"CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO {user} WITH INHERIT FALSE, SET TRUE; "
            "and then `atelier db upgrade` again"
        )
    for table, (condition, privileges) in TABLES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own ON {table} TO {ROLE} USING ({condition})")
        op.execute(f"GRANT {privileges} ON {table} TO {ROLE}")
    op.execute(f"GRANT SELECT ON model_versions TO {ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE ALL ON model_versions FROM {ROLE}")
    for table in TABLES:
        op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")
        op.execute(f"DROP POLICY own ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    # The role stays: other databases of the cluster may use it.
