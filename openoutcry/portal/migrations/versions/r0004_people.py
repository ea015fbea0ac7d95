"""Passkeys, logins of another provider, tickets that are used once, identities and their papers."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = (
    "alter table users add column provider_subject text unique",
    """
    create table tickets (
        id text primary key,
        user_id bigint references users on delete cascade,
        purpose text not null,
        data bytea not null,
        expires_at timestamptz not null
    )
    """,
    "create index tickets_expire on tickets (expires_at)",
    """
    create table passkeys (
        id bigint generated always as identity primary key,
        user_id bigint not null references users on delete cascade,
        credential bytea not null unique,
        public_key bytea not null,
        sign_count bigint not null,
        label text not null,
        created_at timestamptz not null default now(),
        used_at timestamptz
    )
    """,
    "create index passkeys_of_user on passkeys (user_id)",
    """
    create table identities (
        user_id bigint primary key references users on delete cascade,
        state text not null check (state in ('submitted', 'accepted', 'refused')),
        wanted integer not null check (wanted between 1 and 9),
        name text not null,
        born date not null,
        country text not null,
        address text not null,
        hits text[] not null,
        reason text not null default '',
        decided_by text not null default '',
        submitted_at timestamptz not null,
        decided_at timestamptz
    )
    """,
    """
    create table papers (
        id bigint generated always as identity primary key,
        user_id bigint not null references users on delete cascade,
        kind text not null,
        media_type text not null,
        size integer not null,
        digest text not null,
        created_at timestamptz not null,
        unique (user_id, digest)
    )
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("papers", "identities", "passkeys", "tickets"):
        op.execute(f"drop table {table}")
    op.execute("alter table users drop column provider_subject")
