"""What Alembic runs around the revisions: they go through a connection, and a transaction, of ours."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
