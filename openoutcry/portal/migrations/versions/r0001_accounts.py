"""Users, mailed codes, sessions, API keys, failures, and the audit record."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    """
    create table users (
        id bigint generated always as identity primary key,
        mail text not null unique check (mail = lower(mail)),
        password_hash text not null,
        is_verified boolean not null default false,
        participant integer unique check (participant between 1 and 65535),
        is_open boolean not null default false,
        totp_secret bytea,
        totp_is_confirmed boolean not null default false,
        totp_step bigint not null default 0,
        created_at timestamptz not null default now()
    )
    """,
    """
    create table mailed_codes (
        user_id bigint not null references users on delete cascade,
        purpose text not null,
        code_hash bytea not null,
        tries integer not null default 0,
        expires_at timestamptz not null,
        primary key (user_id, purpose)
    )
    """,
    """
    create table sessions (
        id uuid primary key default gen_random_uuid(),
        user_id bigint not null references users on delete cascade,
        refresh_hash bytea not null unique,
        used_hash bytea,
        address text not null,
        agent text not null,
        created_at timestamptz not null default now(),
        used_at timestamptz not null default now(),
        expires_at timestamptz not null,
        revoked_at timestamptz
    )
    """,
    "create index sessions_of_user on sessions (user_id)",
    "create index sessions_used on sessions (used_hash)",
    """
    create table api_keys (
        id bigint generated always as identity primary key,
        user_id bigint not null references users on delete cascade,
        api_key text not null unique,
        kind text not null check (kind in ('HMAC', 'ED25519')),
        secret bytea not null,
        label text not null,
        can_trade boolean not null,
        can_withdraw boolean not null,
        networks text[] not null,
        expires_at timestamptz,
        created_at timestamptz not null default now(),
        revoked_at timestamptz
    )
    """,
    "create index api_keys_of_user on api_keys (user_id)",
    """
    create table failures (
        subject text primary key,
        count integer not null,
        locked_until timestamptz not null,
        last_at timestamptz not null
    )
    """,
    """
    create table audit (
        id bigint generated always as identity primary key,
        at timestamptz not null default now(),
        user_id bigint references users on delete set null,
        action text not null,
        address text not null,
        detail text not null
    )
    """,
    "create index audit_of_user on audit (user_id, id)",
    "create sequence participants as integer",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop sequence participants")
    for table in ("audit", "failures", "api_keys", "sessions", "mailed_codes", "users"):
        op.execute(f"drop table {table}")
