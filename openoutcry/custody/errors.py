"""What custody refuses, each by a word."""

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
