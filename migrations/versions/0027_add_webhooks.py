"""Add webhooks, and the events that wait to be sent to them.

Triggers write the events, in the transaction of the change that they tell of: so none is sent of what was rolled
back, and none is forgotten by a new way to change a batch. Where a merchant has no webhook nothing is written.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"

# Who acts for a merchant may add secrets and have them expire, and read none: nor does an export of its data.
PRIVILEGES = {
    "webhooks": "SELECT, INSERT, UPDATE, DELETE",
    "webhook_secrets": "SELECT (id, webhook_id, merchant_id, expires_at), INSERT, UPDATE (expires_at)",
    "webhook_deliveries": "SELECT, INSERT, UPDATE",
}

NOTE_EVENT = """
CREATE FUNCTION note_event(of_merchant bigint, kind text, data jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO webhook_deliveries (webhook_id, merchant_id, message, event, data)
    SELECT w.id, w.merchant_id, m.message, kind, data
    FROM webhooks w CROSS JOIN (SELECT gen_random_uuid() AS message) m
    WHERE w.merchant_id = of_merchant AND w.disabled_at IS NULL AND kind = ANY(w.events)
$$
"""
NOTE_BATCH = """
CREATE FUNCTION note_batch_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM note_event(NEW.merchant_id, 'batch.' || kind, jsonb_build_object(
        'batch', NEW.id, 'name', NEW.name, 'queue', NEW.queue, 'state', NEW.state, 'total', NEW.total,
        'succeeded', NEW.succeeded, 'failed', NEW.failed, 'cancelled', NEW.cancelled, 'reused', NEW.reused))
    FROM unnest(ARRAY[
        CASE WHEN NEW.intake = 'sealed' AND OLD.intake <> 'sealed' THEN 'sealed' END,
        CASE WHEN NEW.state <> OLD.state THEN CASE NEW.state WHEN 'running' THEN 'resumed' ELSE NEW.state END END
    ]) AS kind WHERE kind IS NOT NULL;
    RETURN NULL;
END $$
"""
NOTE_PROOF = """
CREATE FUNCTION note_proof_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM note_event(NEW.merchant_id, 'proof.' || NEW.state,
                       jsonb_build_object('proof', NEW.id, 'batch', NEW.batch_id, 'sample', NEW.sample_id));
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name="fk_webhooks_merchant_id"),
                  nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False,
                  server_default=sa.text("clock_timestamp()")),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.Column("resting_until", sa.DateTime(timezone=True)),
        sa.Column("failures", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.UniqueConstraint("merchant_id", "url", name="uq_webhooks_merchant_id"),
    )  # fmt: skip
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("webhook_id", sa.BigInteger,
                  sa.ForeignKey("webhooks.id", name="fk_webhook_secrets_webhook_id", ondelete="CASCADE"),
                  nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("merchant_id", sa.BigInteger,
                  sa.ForeignKey("merchants.id", name="fk_webhook_secrets_merchant_id"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_secrets"),
    )  # fmt: skip
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("webhook_id", sa.BigInteger,
                  sa.ForeignKey("webhooks.id", name="fk_webhook_deliveries_webhook_id", ondelete="CASCADE"),
                  nullable=False),
        sa.Column("merchant_id", sa.BigInteger,
                  sa.ForeignKey("merchants.id", name="fk_webhook_deliveries_merchant_id"), nullable=False),
        sa.Column("message", sa.Uuid, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("data", postgresql.JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'waiting'")),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False,
                  server_default=sa.text("clock_timestamp()")),
        sa.Column("status", sa.SmallInteger),
        sa.Column("problem", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False,
                  server_default=sa.text("clock_timestamp()")),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="ck_webhook_deliveries_state"),
    )  # fmt: skip
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["webhook_id", "next_attempt_at"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_webhook_deliveries_webhook_id", "webhook_deliveries", ["webhook_id", "id"])
    op.create_index("ix_webhook_deliveries_merchant_id", "webhook_deliveries", ["merchant_id"])
    op.create_index("ix_webhook_deliveries_created_at", "webhook_deliveries", ["created_at"])
    op.create_index("ix_webhook_secrets_webhook_id", "webhook_secrets", ["webhook_id"])
    op.create_index("ix_webhook_secrets_merchant_id", "webhook_secrets", ["merchant_id"])
    for table, privileges in PRIVILEGES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own ON {table} TO {ROLE} USING (merchant_id = {OWN})")
        op.execute(f"GRANT {privileges} ON {table} TO {ROLE}")
    for function in (NOTE_EVENT, NOTE_BATCH, NOTE_PROOF):
        op.execute(function)
    op.execute("""
        CREATE TRIGGER note_event AFTER UPDATE OF state, intake ON batches FOR EACH ROW
        WHEN (OLD.state <> NEW.state OR OLD.intake <> NEW.intake) EXECUTE FUNCTION note_batch_event()
    """)
    op.execute("""
        CREATE TRIGGER note_new AFTER INSERT ON proofs FOR EACH ROW
        WHEN (NEW.state <> 'undecided') EXECUTE FUNCTION note_proof_event()
    """)
    op.execute("""
        CREATE TRIGGER note_event AFTER UPDATE OF state ON proofs FOR EACH ROW
        WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_proof_event()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER note_event ON batches")
    op.execute("DROP TRIGGER note_new ON proofs")
    op.execute("DROP TRIGGER note_event ON proofs")
    for function in ("note_batch_event()", "note_proof_event()", "note_event(bigint, text, jsonb)"):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_secrets")
    op.drop_table("webhooks")
