"""The language of each user's notifications and mails."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("alter table users add column language text not null default 'en'")


def downgrade() -> None:
    op.execute("alter table users drop column language")
