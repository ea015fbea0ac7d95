"""Limits that owners set on their own accounts."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute(
        """
        create table own_limits (
            id bigserial primary key,
            user_id bigint not null references users (id) on delete cascade,
            name text not null,
            symbol text not null default '',
            value bigint,
            in_force bigint,
            is_set boolean not null default true,
            hold text not null default '',
            wanted bigint,
            state text not null default '',
            usable_at timestamptz,
            detail text not null default '',
            changed_at timestamptz not null,
            unique (user_id, name, symbol)
        )
        """
    )
    op.execute("create index own_limits_due on own_limits (id) where not is_set or state <> ''")


def downgrade() -> None:
    op.execute("drop table own_limits")
