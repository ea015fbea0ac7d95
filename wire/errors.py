"""The base of every error that a user can cause: its message is what the user reads."""


class OutcryError(Exception):
    """Something asked for could not be done; the command line prints the message and exits 1."""
