"""What can go wrong with a ring while it is used."""

from openoutcry.wire import OutcryError


class RingError(OutcryError):
    """The ring cannot be used as asked."""


class RingFull(RingError):
    """There was no room, and the caller did not want to wait (longer)."""
