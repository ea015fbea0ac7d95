"""What cannot be settled as it was given."""

from openoutcry.ledger.errors import LedgerError


class SettlementError(LedgerError):
    """A file, a date or an amount is not right; the message names row and field."""
