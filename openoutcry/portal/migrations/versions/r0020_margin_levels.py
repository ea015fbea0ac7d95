"""Margin warnings: the levels that users set, and how far each account's margin has come."""

from alembic import op

revision = "0020"
down_revision = "0019"
COLUMNS = {
    "margin_levels": "integer[] not null default '{}'",
    "margin_reached": "integer not null default 0",
    "margin_crossings": "bigint not null default 0",
    "margin_journal": "text not null default ''",
    "margin_seq": "bigint not null default 0",
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.execute(f"alter table notice_settings add column {name} {kind}")
    op.execute(
        "create index notice_margin_levels on notice_settings (user_id) where margin_levels <> '{}'"
    )


def downgrade() -> None:
    for name in COLUMNS:
        op.execute(f"alter table notice_settings drop column {name}")
