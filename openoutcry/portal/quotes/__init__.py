"""Requests for quotes: clients ask makers, and what they agree on trades at the venue."""
