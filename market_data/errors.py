"""What can go wrong with the feed, told to whoever asked for it."""

from openoutcry.wire.errors import OutcryError


class FeedError(OutcryError):
    """The market cannot be told as it is: what, and of which instrument or event."""
