"""Notices of what happens to positions in contracts."""

from alembic import op

revision = "0017"
down_revision = "0016"
CHANNELS = """
    create or replace function default_channels(event text) returns text[] as $$
        select case event
            when 'order' then array['app']
            {}
            when 'price' then array['app', 'webhook', 'push']
            when 'summary' then array['app', 'mail']
            when 'test' then array['webhook']
            else array['app', 'mail']
        end
    $$ language sql immutable
"""

MORE = """
            when 'funding' then array['app']
            when 'market' then array[]::text[]
"""


def upgrade() -> None:
    op.execute("alter table notice_sources add column account_events bigint not null default 0")
    # What happened before this is no news.
    op.execute("update notice_sources set account_events = greatest(changes, movements)")
    op.execute(CHANNELS.format(MORE))


def downgrade() -> None:
    op.execute("alter table notice_sources drop column account_events")
    op.execute(CHANNELS.format(""))
