"""Sub-accounts, which are users without a login, and transfers between the accounts of one user."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = (
    "alter table users add column parent_id bigint references users",
    "alter table users add column label text not null default ''",
    "create unique index sub_accounts on users (parent_id, label) where parent_id is not null",
    """
    create table transfers (
        id bigint generated always as identity primary key,
        user_id bigint not null references users,
        source_id bigint not null references users,
        target_id bigint not null references users,
        source integer not null,
        target integer not null check (target <> source),
        reference text not null unique,
        client_id text not null,
        asset text not null,
        amount bigint not null check (amount > 0),
        state text not null check (state in ('begun', 'reserved', 'expected', 'approved', 'sent',
            'taken', 'done', 'refused')),
        detail text not null default '',
        created_at timestamptz not null,
        changed_at timestamptz not null,
        unique (user_id, client_id)
    )
    """,
    "create index transfers_of_user on transfers (user_id, id)",
    """
    create index transfers_under_way on transfers (id)
        where state not in ('done', 'refused')
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table transfers")
    op.execute("drop index sub_accounts")
    op.execute("alter table users drop column label")
    op.execute("alter table users drop column parent_id")
