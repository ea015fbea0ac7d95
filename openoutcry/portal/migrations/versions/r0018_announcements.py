"""Announcements: what an operator writes, and what became of markets."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute(
        """
        create table announcements (
            id bigint generated always as identity primary key,
            key text not null unique,
            kind text not null,
            symbol text not null default '',
            title text not null default '',
            body text not null default '',
            at timestamptz not null default now(),
            begins_at timestamptz,
            ends_at timestamptz,
            told_user bigint not null default 0,
            is_told boolean not null default false
        )
        """
    )
    op.execute("create index announcements_to_tell on announcements (id) where not is_told")
    op.execute("alter table notice_sources add column market_events bigint not null default 0")
    op.execute("update notice_sources set market_events = greatest(changes, movements)")


def downgrade() -> None:
    op.execute("alter table notice_sources drop column market_events")
    op.execute("drop table announcements")
