"""Errors of the ring."""

from openoutcry.wire import OutcryError


class RingError(OutcryError):
    """The ring cannot be used as asked."""


class RingFull(RingError):
    """The ring is full and the caller does not wait (any longer)."""
