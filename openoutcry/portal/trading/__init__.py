"""The venue from the portal's side: what it has released, and a session through which orders go."""
