"""Answers to requests with an Idempotency-Key, for a day."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = (
    """
    create table answers (
        user_id bigint not null references users on delete cascade,
        key text not null,
        digest bytea not null,
        status integer,
        body bytea,
        begun_at timestamptz not null,
        primary key (user_id, key)
    )
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table answers")
