"""What a position cost and what it earned: first in, first out; last in, first out; average cost.

Integers throughout: whatever the method, realised + unrealised is what was received less what was
paid, plus what the position is worth, to the unit.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar


def half_even(numerator: int, denominator: int) -> int:
    """The nearest whole number to a fraction (denominator above 0), of two the even one."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


@dataclass
class FirstInFirstOut:
    """Lots are closed in the order in which they were opened.

    A split can make the cost of lots uneven.  Then the part closed is rounded half to even, and
    the remainder stays with the lots that are left."""

    lots: deque[list[int]] = field(default_factory=deque)
    """[quantity, cost], long above 0, short below; all of one sign."""
    realised: int = 0
    CLOSED_NEXT: ClassVar[int] = 0
    """Which of the lots is closed next."""

    def trade(self, qty: int, price: int) -> None:
        """``qty`` above 0 bought, below 0 sold; the price in money a lot."""
        at = self.CLOSED_NEXT
        while qty and self.lots and (self.lots[at][0] > 0) != (qty > 0):
            open_qty, cost = self.lots[at]
            closed = min(abs(qty), abs(open_qty)) * (1 if open_qty > 0 else -1)
            part = half_even(cost * abs(closed), abs(open_qty))
            self.realised += closed * price - part
            qty += closed
            self.lots[at] = [open_qty - closed, cost - part]
            if open_qty == closed:
                del self.lots[at]
        if qty:
            self.lots.append([qty, qty * price])

    def take_back(self, qty: int, price: int) -> None:
        """Take a trade back by ``qty`` lots, the opposite of its own. Lots that it opened and that
        are still held go at what they cost. The rest is counted as a trade."""
        for place in range(len(self.lots) - 1, -1, -1):
            held, cost = self.lots[place]
            if qty and (held > 0) != (qty > 0) and cost == held * price:
                gone = min(abs(held), abs(qty)) * (1 if qty > 0 else -1)
                self.lots[place] = [held + gone, cost + gone * price]
                qty -= gone
        self.lots = deque(one for one in self.lots if one[0])
        self.trade(qty, price)

    def adjust(self, position: int, cash: int) -> None:
        """A dividend or a split: the position after it, and the money that came.  The cost of the
        lots stays.  The money counts as earned."""
        before, seen, assigned, cost = self.position, 0, 0, 0
        kept: deque[list[int]] = deque()
        for qty, paid in self.lots:
            seen += abs(qty)
            share = abs(position) * seen // abs(before) - assigned
            assigned, cost = assigned + share, cost + paid
            if share:
                kept.append([share if position > 0 else -share, cost])
                cost = 0
        self.lots = kept
        self.realised += cash
        if kept:
            kept[-1][1] += cost
        else:
            self.realised -= cost

    @property
    def position(self) -> int:
        """Open lots, below 0 if sold."""
        return sum(qty for qty, _ in self.lots)

    @property
    def cost(self) -> int:
        """Paid for what is held; negative: received for what is short."""
        return sum(cost for _, cost in self.lots)


@dataclass
class LastInFirstOut(FirstInFirstOut):
    """The lots that were opened last are closed first."""

    CLOSED_NEXT: ClassVar[int] = -1


@dataclass
class AverageCost:
    """Lots are closed at what all cost on average; the part of the cost is rounded half to even,
    and what that leaves stays with the position."""

    position: int = 0
    cost: int = 0
    realised: int = 0

    def trade(self, qty: int, price: int) -> None:
        """Follow a trade of signed lots at a price; what it closes is realised at the average
        cost."""
        if self.position and (self.position > 0) != (qty > 0):
            closed = min(abs(qty), abs(self.position)) * (1 if self.position > 0 else -1)
            part = half_even(self.cost * abs(closed), abs(self.position))
            self.realised += closed * price - part
            self.position -= closed
            self.cost -= part
            qty += closed
        self.position += qty
        self.cost += qty * price

    def take_back(self, qty: int, price: int) -> None:
        """Like :meth:`FirstInFirstOut.take_back`: the lots go at their own price, as far as so many
        are held."""
        gone = 0
        if self.position and (self.position > 0) != (qty > 0):
            gone = min(abs(qty), abs(self.position)) * (1 if qty > 0 else -1)
        self.position += gone
        self.cost += gone * price
        if not self.position:
            self.realised, self.cost = self.realised - self.cost, 0
        self.trade(qty - gone, price)

    def adjust(self, position: int, cash: int) -> None:
        """Like :class:`FirstInFirstOut`."""
        self.position = position
        self.realised += cash
        if not position:
            self.realised, self.cost = self.realised - self.cost, 0


METHODS = {"fifo": FirstInFirstOut, "lifo": LastInFirstOut, "average": AverageCost}
