"""What a user of the matcher can get wrong."""

from openoutcry.wire.errors import OutcryError


class MatcherError(OutcryError):
    """Invalid orders, instruments or snapshot; the message names them."""
