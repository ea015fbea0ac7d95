"""What undoes a change of identity, recovery codes, the word in a user's mails, and what people who
approve a withdrawal were told."""

from alembic import op

revision = "0015"
down_revision = "0014"
UNDONE = "withdrawals", "withdrawal_addresses"

RECOVERY = """
    create table recovery_codes (
        user_id bigint not null references users on delete cascade,
        code_hash bytea not null,
        primary key (user_id, code_hash)
    )
"""


def upgrade() -> None:
    op.execute(
        """
        alter table identity_changes add column before_mail text not null default '',
            add column before_totp bytea,
            add column before_provider text,
            add column before_passkeys bigint[] not null default '{}',
            add column undo_hash bytea unique,
            add column undo_until timestamptz
        """
    )
    op.execute(RECOVERY)
    op.execute("alter table users add column mail_word text not null default ''")
    op.execute("alter table withdrawals add column changes text not null default ''")
    for table in UNDONE:
        op.execute(f"alter table {table} add column is_undone boolean not null default false")


def downgrade() -> None:
    for table in UNDONE:
        op.execute(f"alter table {table} drop column is_undone")
    op.execute("alter table withdrawals drop column changes")
    op.execute("alter table users drop column mail_word")
    op.execute("drop table recovery_codes")
    op.execute(
        "alter table identity_changes drop column before_mail, drop column before_totp, "
        "drop column before_provider, drop column before_passkeys, drop column undo_hash, "
        "drop column undo_until"
    )
