"""Requests for quotes: the commands that the desk has had."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLE = """
    create table quote_commands (
        number bigint generated always as identity primary key,
        at_ns bigint not null,
        what text not null,
        by_whom text not null,
        terms jsonb not null
    )
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("drop table quote_commands")
