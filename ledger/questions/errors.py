"""What a user can have done wrong in asking."""

from openoutcry.ledger.errors import LedgerError


class QuestionsError(LedgerError):
    """The books or the questions cannot be read, or a database does not answer."""
