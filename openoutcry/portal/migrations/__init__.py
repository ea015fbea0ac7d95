"""The schema of the portal's database, one revision after the other (alembic)."""
