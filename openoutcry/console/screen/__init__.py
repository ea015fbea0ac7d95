"""Serve the page on which participants trade: each logs in with a separate session."""
