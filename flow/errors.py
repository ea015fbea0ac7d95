"""The errors a source of orders can cause: a file that is missing, cut short, foreign or wrong."""

from openoutcry.wire.errors import OutcryError


class FlowError(OutcryError):
    """A source cannot be read; the message names the file and the row and column, or the byte."""
