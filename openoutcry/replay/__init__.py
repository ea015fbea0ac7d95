"""Follow a journal: its commands, the events they cause, and what is made of both."""
