"""What a user of the matcher can get wrong."""

from openoutcry.wire.errors import OutcryError


class MatcherError(OutcryError):
    """Orders, instruments or a snapshot that the matcher cannot take; the message says which."""
