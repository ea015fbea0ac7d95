"""API keys that sign with RSA."""

from alembic import op

revision = "0016"
down_revision = "0015"
KINDS = "alter table api_keys drop constraint api_keys_kind_check, add check (kind in ({}))"


def upgrade() -> None:
    op.execute(KINDS.format("'HMAC', 'ED25519', 'RSA'"))


def downgrade() -> None:
    op.execute("delete from api_keys where kind = 'RSA'")
    op.execute(KINDS.format("'HMAC', 'ED25519'"))
