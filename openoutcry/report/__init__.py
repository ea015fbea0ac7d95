"""Turn results into pages, terminal text and the tables of documents."""
