"""What the ledger says when it refuses."""

from openoutcry.wire.errors import OutcryError


class LedgerError(OutcryError):
    """A journal, a store or a question that the ledger cannot answer for."""


class ProofError(LedgerError):
    """The proof does not hold, or cannot be made."""


class QuestionsError(LedgerError):
    """The books or the questions cannot be read, or a database does not answer."""


class SettlementError(LedgerError):
    """A file, a date or an amount is not right; the message names row and field."""
