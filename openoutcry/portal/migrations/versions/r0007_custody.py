"""Withdrawals that custody pays, and the addresses that they may go to."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = (
    """
    alter table withdrawals
        add column given text not null default '',
        add column chain text not null default '',
        add column salt text not null default '',
        add column device text not null default '',
        add column txid text not null default '',
        add column waits text not null default '',
        add column confirmations integer not null default 0
    """,
    "update withdrawals set given = address",
    """
    create table withdrawal_addresses (
        id bigint generated always as identity primary key,
        user_id bigint not null references users,
        participant integer not null,
        asset text not null,
        network text not null,
        chain text not null,
        address text not null,
        label text not null,
        state text not null check (state in ('unconfirmed', 'confirmed', 'listed', 'removed',
            'refused', 'expired')),
        detail text not null default '',
        usable_at timestamptz,
        created_at timestamptz not null,
        changed_at timestamptz not null
    )
    """,
    """
    create unique index withdrawal_addresses_once
        on withdrawal_addresses (user_id, chain, address)
        where state in ('unconfirmed', 'confirmed', 'listed')
    """,
    """
    create index withdrawal_addresses_under_way on withdrawal_addresses (id)
        where state in ('unconfirmed', 'confirmed')
    """,
)
COLUMNS = ("given", "chain", "salt", "device", "txid", "waits", "confirmations")


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table withdrawal_addresses")
    for column in COLUMNS:
        op.execute(f"alter table withdrawals drop column {column}")
