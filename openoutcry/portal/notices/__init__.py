"""Notifications: what is news to a user, and its delivery at least once with one id."""
