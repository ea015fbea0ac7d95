"""Who owns what and who owes what: a double-entry projection of the journal, never edited."""
