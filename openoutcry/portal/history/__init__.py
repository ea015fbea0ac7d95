"""History in PostgreSQL: a projection of the journal that can be dropped and made again."""
