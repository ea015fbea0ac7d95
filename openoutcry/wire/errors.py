"""The errors that a user can cause, by the room that raises them; the message is what is printed.

Each is an :class:`OutcryError`, so the command line prints every one of them in one line and exits
with 1.  A message says what is wrong, where, and what to do.  Each room declares further subclasses
next to the code that raises them.
"""


class OutcryError(Exception):
    """A request could not be done; the command line prints the message and exits 1."""


class RingError(OutcryError):
    """The ring cannot be used as asked."""


class RingFull(RingError):
    """The ring is full and the caller does not wait (any longer)."""


class MatcherError(OutcryError):
    """Orders, instruments or a snapshot are invalid; the message names them."""


class FlowError(OutcryError):
    """A source cannot be read; the message names the file and the row and column, or the byte."""


class JournalError(OutcryError):
    """A journal cannot be locked, made, written or read; the message names the file and, where it
    is known, the byte."""


class Hole(JournalError):
    """A block is missing or damaged, and a later block says that it was durable."""


class Missing(JournalError):
    """A journal ends before commands that something next to it proves were there."""


class Appended(Hole):
    """Bytes that belong to no block follow the last block of a finished segment."""


class FeedError(OutcryError):
    """The market data cannot carry something; the message names the instrument or event."""


class LedgerError(OutcryError):
    """The ledger cannot answer for a journal, a store or a question."""


class ProofError(LedgerError):
    """A proof is wrong, or cannot be made."""


class QuestionsError(LedgerError):
    """The books or the questions cannot be read, or a database does not answer."""


class SettlementError(LedgerError):
    """A file, a date or an amount is not right; the message names row and field."""


class ReplicaError(OutcryError):
    """A stream, a lease or a standby cannot be used; the message names the message and reason."""


class Unreachable(ReplicaError):
    """No server of the cluster answers now; one may later."""


class Absent(Unreachable):
    """No process listens at a server's address."""


class SurveillanceError(OutcryError):
    """Surveillance cannot use a journal, settings or cases."""


class AuditError(OutcryError):
    """An audit trail cannot be made, read or trusted; the message names file and row."""


class BacktestError(OutcryError):
    """A day, a strategy or a plan cannot be run."""
