"""Notifications and where they go; price alerts; operators and frozen users.

A notice is written by ``add_notice`` in the transaction of what it is about.  The function takes a
lock of its user first, so that a user's notices become visible in the order of their numbers: what
a channel has had is one number.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = (
    """
    create table notices (
        id bigint generated always as identity primary key,
        key text not null,
        user_id bigint not null,
        event text not null,
        is_urgent boolean not null,
        title text not null,
        body text not null,
        data jsonb not null,
        channels text[] not null,
        created_at timestamptz not null default now(),
        read_at timestamptz,
        unique (user_id, key)
    )
    """,
    "create index notices_of_user on notices (user_id, id)",
    "create index notices_unread on notices (user_id, id) where read_at is null",
    "create index notices_by_age on notices (created_at)",
    """
    create table notice_targets (
        user_id bigint not null,
        channel text not null,
        is_urgent boolean not null,
        newest_id bigint not null,
        sent_id bigint not null default 0,
        tries integer not null default 0,
        next_at timestamptz not null default now(),
        last_error text not null default '',
        primary key (user_id, channel, is_urgent)
    )
    """,
    "create index notice_targets_due on notice_targets (next_at) where newest_id > sent_id",
    """
    create table notice_settings (
        user_id bigint primary key references users on delete cascade,
        events jsonb not null default '{}',
        quiet_from text not null default '',
        quiet_until text not null default '',
        time_zone text not null default 'Etc/UTC',
        summary text not null default '' check (summary in ('', 'daily', 'weekly')),
        summary_at text not null default '08:00',
        summary_next timestamptz,
        currency text not null default ''
    )
    """,
    "create index notice_summaries on notice_settings (summary_next) where summary <> ''",
    """
    create table notice_sources (
        journal_id text primary key,
        since_seq bigint not null,
        changes bigint not null default 0,
        movements bigint not null default 0,
        trades bigint not null default 0
    )
    """,
    """
    create table price_alerts (
        id bigint generated always as identity primary key,
        user_id bigint not null references users on delete cascade,
        instrument integer not null,
        symbol text not null,
        direction text not null check (direction in ('above', 'below')),
        price_ticks bigint not null,
        created_seq bigint not null,
        created_at timestamptz not null default now(),
        fired_at timestamptz,
        fired_ticks bigint
    )
    """,
    "create index price_alerts_of_user on price_alerts (user_id, id)",
    """
    create index price_alerts_waiting on price_alerts (instrument, direction, price_ticks)
        where fired_at is null
    """,
    """
    create table webhooks (
        user_id bigint primary key references users on delete cascade,
        url text not null,
        secret bytea not null,
        created_at timestamptz not null default now()
    )
    """,
    """
    create table push_subscriptions (
        id bigint generated always as identity primary key,
        user_id bigint not null references users on delete cascade,
        endpoint text not null,
        p256dh text not null,
        auth text not null,
        label text not null,
        created_at timestamptz not null default now(),
        unique (user_id, endpoint)
    )
    """,
    """
    create function default_channels(event text) returns text[] as $$
        select case event
            when 'order' then array['app']
            when 'price' then array['app', 'webhook', 'push']
            when 'summary' then array['app', 'mail']
            when 'test' then array['webhook']
            else array['app', 'mail']
        end
    $$ language sql immutable
    """,
    """
    create function add_notice(
        p_user bigint, p_key text, p_event text, p_urgent boolean, p_title text, p_body text,
        p_data jsonb
    ) returns bigint as $$
    declare
        made bigint;
        chosen text[];
    begin
        perform pg_advisory_xact_lock(7413, p_user::integer);
        select array(select jsonb_array_elements_text(events -> p_event)) into chosen
            from notice_settings where user_id = p_user and events ? p_event;
        if not found then
            chosen := default_channels(p_event);
        end if;
        if cardinality(chosen) = 0 then
            return 0;
        end if;
        insert into notices (key, user_id, event, is_urgent, title, body, data, channels)
            values (p_key, p_user, p_event, p_urgent, p_title, p_body, p_data, chosen)
            on conflict (user_id, key) do nothing returning id into made;
        if made is null then
            return 0;
        end if;
        insert into notice_targets (user_id, channel, is_urgent, newest_id)
            select p_user, channel, p_urgent, made from (
                select 'mail' as channel where 'mail' = any(chosen)
                union all
                select 'webhook' from webhooks
                    where user_id = p_user and 'webhook' = any(chosen)
                union all
                select 'push:' || id from push_subscriptions
                    where user_id = p_user and 'push' = any(chosen)
            ) as wanted
            on conflict (user_id, channel, is_urgent) do update set newest_id = made;
        if 'app' = any(chosen) then
            perform pg_notify('outcry_notices', p_user::text);
        end if;
        return made;
    end
    $$ language plpgsql
    """,
    """
    alter table users add column frozen_at timestamptz,
        add column frozen_reason text not null default ''
    """,
    """
    create table operators (
        name text primary key,
        token_hash bytea not null unique,
        created_at timestamptz not null default now()
    )
    """,
    """
    create table operator_log (
        id bigint generated always as identity primary key,
        at timestamptz not null default now(),
        operator text not null,
        action text not null,
        user_id bigint references users on delete set null,
        reason text not null
    )
    """,
)
DROPPED = (
    "operator_log",
    "operators",
    "push_subscriptions",
    "webhooks",
    "price_alerts",
    "notice_sources",
    "notice_settings",
    "notice_targets",
    "notices",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("alter table users drop column frozen_at, drop column frozen_reason")
    op.execute("drop function add_notice")
    op.execute("drop function default_channels")
    for table in DROPPED:
        op.execute(f"drop table {table}")
