"""Answers to operators' requests with an Idempotency-Key, for a day."""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLE = """
    create table operator_answers (
        operator text not null references operators on delete cascade,
        key text not null,
        digest bytea not null,
        status integer,
        body bytea,
        begun_at timestamptz not null,
        primary key (operator, key)
    )
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("drop table operator_answers")
