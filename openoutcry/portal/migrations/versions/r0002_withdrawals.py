"""Levels of users, and withdrawals from their request to their end."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = (
    "alter table users add column level integer not null default 0 check (level between 0 and 9)",
    """
    create table withdrawals (
        id bigint generated always as identity primary key,
        user_id bigint not null references users,
        participant integer not null,
        reference text not null unique,
        client_id text not null,
        asset text not null,
        network text not null,
        address text not null,
        tag text not null,
        amount bigint not null check (amount > 0),
        state text not null check (state in ('unconfirmed', 'confirmed', 'requested', 'approved',
            'sent', 'done', 'cancelled', 'failed', 'refused', 'expired')),
        detail text not null default '',
        created_at timestamptz not null default now(),
        changed_at timestamptz not null default now(),
        unique (user_id, client_id)
    )
    """,
    "create index withdrawals_of_user on withdrawals (user_id, id)",
    """
    create index withdrawals_under_way on withdrawals (id)
        where state in ('unconfirmed', 'confirmed', 'requested', 'approved', 'sent')
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table withdrawals")
    op.execute("alter table users drop column level")
