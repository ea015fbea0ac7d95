"""Announcements: what an operator writes, and what became of markets."""

from alembic import op

revision = "0018"
down_revision = "0017"
CHANNELS = """
    create or replace function default_channels(event text) returns text[] as $$
        select case event
            when 'order' then array['app']
            when 'funding' then array['app']
            {}
            when 'price' then array['app', 'webhook', 'push']
            when 'summary' then array['app', 'mail']
            when 'test' then array['webhook']
            else array['app', 'mail']
        end
    $$ language sql immutable
"""


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
    op.execute(CHANNELS.format("when 'market' then array[]::text[]"))


def downgrade() -> None:
    op.execute("alter table notice_sources drop column market_events")
    op.execute("drop table announcements")
    op.execute(CHANNELS.format(""))
