"""The audit trail: every order's life, from the journal alone, by day, chained and indexed."""
