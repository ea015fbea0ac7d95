"""Codes of the reasons why withdrawals and their addresses were refused."""

from alembic import op

revision = "0012"
down_revision = "0011"
TABLES = "withdrawals", "withdrawal_addresses"


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"alter table {table} add column code text not null default ''")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"alter table {table} drop column code")
