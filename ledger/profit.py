"""What a position cost and what it earned: first in, first out, or at average cost.

Integers throughout: whatever the method, realised + unrealised is what was received less what was
paid, plus what the position is worth, to the unit.
"""

from collections import deque
from dataclasses import dataclass, field


def half_even(numerator: int, denominator: int) -> int:
    """The nearest whole number to a fraction (denominator above 0), of two the even one."""
    whole, left = divmod(numerator, denominator)
    return whole + (2 * left > denominator or (2 * left == denominator and whole % 2 == 1))


@dataclass
class FirstInFirstOut:
    """Lots are closed in the order in which they were opened."""

    lots: deque[list[int]] = field(default_factory=deque)
    """[quantity, price], long above 0, short below; all of one sign."""
    realised: int = 0

    def trade(self, qty: int, price: int) -> None:
        """``qty`` above 0 bought, below 0 sold; the price in money a lot."""
        while qty and self.lots and (self.lots[0][0] > 0) != (qty > 0):
            open_qty, open_price = self.lots[0]
            closed = min(abs(qty), abs(open_qty)) * (1 if open_qty > 0 else -1)
            self.realised += closed * (price - open_price)
            qty += closed
            self.lots[0][0] -= closed
            if not self.lots[0][0]:
                self.lots.popleft()
        if qty:
            self.lots.append([qty, price])

    @property
    def position(self) -> int:
        return sum(qty for qty, _ in self.lots)

    @property
    def cost(self) -> int:
        """Paid for what is held; negative: received for what is short."""
        return sum(qty * price for qty, price in self.lots)


@dataclass
class AverageCost:
    """Lots are closed at what all cost on average; the part of the cost is rounded half to even,
    and what that leaves stays with the position."""

    position: int = 0
    cost: int = 0
    realised: int = 0

    def trade(self, qty: int, price: int) -> None:
        if self.position and (self.position > 0) != (qty > 0):
            closed = min(abs(qty), abs(self.position)) * (1 if self.position > 0 else -1)
            part = half_even(self.cost * abs(closed), abs(self.position))
            self.realised += closed * price - part
            self.position -= closed
            self.cost -= part
            qty += closed
        self.position += qty
        self.cost += qty * price


METHODS = {"fifo": FirstInFirstOut, "average": AverageCost}
