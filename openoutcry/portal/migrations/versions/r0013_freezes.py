"""Freezes that reach the venue: what the owner is told, what happens to open orders, and what the
venue has done.  What operators alone read of the audit record."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        """
        alter table users add column frozen_told text not null default '',
            add column keeps_orders boolean not null default false,
            add column hold text not null default '',
            add column is_held boolean not null default false
        """
    )
    op.execute("alter table audit add column for_operators text not null default ''")
    op.execute("create index users_frozen on users (id) where frozen_at is not null")
    op.execute("create index users_held on users (id) where hold <> ''")


def downgrade() -> None:
    op.execute("alter table audit drop column for_operators")
    op.execute("drop index users_frozen")
    op.execute("drop index users_held")
    op.execute(
        "alter table users drop column frozen_told, drop column keeps_orders, drop column hold, "
        "drop column is_held"
    )
