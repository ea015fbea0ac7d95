"""What each participant owns and owes: a double-entry projection of the journal, never edited."""
