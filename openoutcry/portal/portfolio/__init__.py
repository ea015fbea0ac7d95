"""A user's portfolio and statements, worked out by the ledger in a separate process."""
