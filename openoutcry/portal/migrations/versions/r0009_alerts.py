"""Price alerts that were not compared yet with the trades that the notifier had read before."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("alter table price_alerts add column is_checked boolean not null default true")
    op.execute("alter table price_alerts alter column is_checked set default false")
    op.execute("create index price_alerts_new on price_alerts (user_id, id) where not is_checked")


def downgrade() -> None:
    op.execute("alter table price_alerts drop column is_checked")
