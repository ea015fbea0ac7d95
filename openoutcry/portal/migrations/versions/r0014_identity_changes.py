"""Changes of identity, after which everything that leaves an account waits."""

from alembic import op

revision = "0014"
down_revision = "0013"

TABLE = """
    create table identity_changes (
        id bigint generated always as identity primary key,
        user_id bigint not null references users on delete cascade,
        change text not null,
        at timestamptz not null,
        before text not null,
        after text not null,
        address text not null,
        device text not null
    )
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("create index identity_changes_of_user on identity_changes (user_id, at)")


def downgrade() -> None:
    op.execute("drop table identity_changes")
