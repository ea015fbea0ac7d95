"""What is wrong with a proof, or with what one is to be made of."""

from openoutcry.ledger.errors import LedgerError


class ProofError(LedgerError):
    """The proof does not hold, or cannot be made."""
