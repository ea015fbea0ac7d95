"""The requests of operators in plain Python: a dictionary by reference."""

from typing import Any

from openoutcry.risk.bits import Setting
from openoutcry.risk.requests import EFFECT, WHOLE, RequestState


class PlainRequests:
    """As ``risk/requests.py`` over a state that remembers ``capacity`` of them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rows: dict[bytes, list[int]] = {}
        """Content, sequence, operator, state; the oldest first."""
        self.text: bytes | None = None
        self.opened: bytes | None = None

    def apply(self, c: Any) -> bool:
        """One of the three commands of a request."""
        opened, self.opened = self.opened, None
        text, self.text = self.text, None
        words = [int(c[name]) for name in ("price_ticks", "qty_lots", "aux")]
        if c["order_type"] == Setting.REQUEST:
            self.text = b"".join(word.to_bytes(8, "little", signed=True) for word in words)
            return True
        if c["order_type"] == Setting.REQUEST_DONE:
            if opened is not None:
                self.rows[opened][3] = RequestState.DONE
            return opened is not None
        if text is None:
            return False
        return self._begin(text + words[0].to_bytes(8, "little", signed=True), c)

    def _begin(self, reference: bytes, c: Any) -> bool:
        row = self.rows.get(reference)
        if row is not None and (row[0] != c["aux"] or row[3] == RequestState.DONE):
            return False
        if row is None:
            if len(self.rows) == self.capacity:
                del self.rows[next(iter(self.rows))]
            numbers = (c["aux"], c["seq"], c["order_id"], RequestState.BEGUN)
            self.rows[reference] = [int(number) for number in numbers]
        self.opened = reference
        return True

    def permits(self, c: Any) -> bool:
        """Whether another RISK command may be applied."""
        if c["side"] == 0:
            return True
        if c["side"] > WHOLE or self.opened is None:
            return False
        return self.rows[self.opened][3] == RequestState.BEGUN

    def note_effect(self, c: Any) -> None:
        """It was."""
        if c["side"] == EFFECT:
            assert self.opened is not None
            self.rows[self.opened][3] = RequestState.EFFECTIVE
        if c["side"] == WHOLE:
            assert self.opened is not None
            self.rows[self.opened][3] = RequestState.DONE
            self.opened = None
