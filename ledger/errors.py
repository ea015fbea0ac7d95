"""What the ledger says when it refuses."""

from openoutcry.wire.errors import OutcryError


class LedgerError(OutcryError):
    """A journal, a store or a question that the ledger cannot answer for."""
