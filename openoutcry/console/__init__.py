"""Serve the page from which a running venue is watched and run."""
