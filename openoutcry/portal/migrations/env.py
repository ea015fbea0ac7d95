"""Run by alembic: apply the revisions over the connection that :mod:`portal.database` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
