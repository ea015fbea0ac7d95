"""Serve the page on which participants trade: each with the login of a session of his own."""
