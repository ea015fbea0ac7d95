"""What custody refuses, each by a word."""

from collections.abc import Iterator
from contextlib import contextmanager

from openoutcry.wire.errors import OutcryError


class CustodyError(OutcryError):
    """Custody cannot do this now."""


class Refused(CustodyError):
    """Custody refuses this; ``code`` says why in one word."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class NodeError(CustodyError):
    """A node is not there, has no such thing, or contradicts itself; ``code`` is the node's own."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


@contextmanager
def readable(where: str, what: str = "an answer of its node") -> Iterator[None]:
    """Raise :class:`NodeError` for whatever an answer that is none makes of the code that reads it:
    one chain's node ends no work for another."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        text = f"{where}: {what} cannot be read: {type(error).__name__} {error}"
        raise NodeError(text[:500]) from error
