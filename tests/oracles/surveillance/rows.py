"""What the reference keeps: orders, candidates, trades and legs, each as it came."""

from dataclasses import dataclass

LIMIT = 2**40


def limited(value: int) -> int:
    return min(max(value, -LIMIT), LIMIT)


def bps_of(price: int, bps: int) -> int:
    size = abs(price)
    return size * bps // 10_000 if size < LIMIT else limited(size // 10_000 * bps)


@dataclass
class Order:
    order_id: int
    who: int
    owner: int
    instrument: int
    side: int
    price: int
    leaves: int
    lots: int
    born_ns: int
    born_seq: int
    middle: int | None
    hidden: bool
    waiting: bool
    display: int
    pegged: bool = False

    @property
    def place(self) -> tuple[int, int]:
        return self.instrument, self.side

    @property
    def shown(self) -> int:
        if self.hidden or self.waiting:
            return 0
        return min(self.display, self.leaves) if self.display else self.leaves


@dataclass
class Candidate:
    ns: int
    seq: int
    lots: int
    prices: int
    gain: int
    first_seq: int
    first_ns: int
    withdrawn: int = 0
    hit: int = 0


@dataclass
class PegMove:
    """An order that moved pegged orders of others, and what its owner traded with them since."""

    first_seq: int
    first_ns: int
    middle: int | None
    ns: int = 0
    seq: int = 0
    open: bool = True
    trade_ns: int = 0
    trade_seq: int = 0
    lots: int = 0
    gain: int = 0


@dataclass
class Flip:
    """Displayed orders near the market that their owner withdrew within a second of each other."""

    ns: int
    seq: int
    lots: int
    first_seq: int
    first_ns: int
    middle: int | None
    depth: int


@dataclass
class Trade:
    """One party's part of a trade."""

    ns: int
    owner: int
    side: int
    price: int
    lots: int
    took: bool


@dataclass
class Leg:
    ns: int
    seller: int
    buyer: int
    who: tuple[int, int]
    lots: int
    price: int
    used: bool = False


@dataclass
class Around:
    """What an owner traded around a client's order."""

    ahead: int = 0
    ahead_value: int = 0
    turned: int = 0
    turned_value: int = 0
    first_seq: int = 0
    first_ns: int = 0
    reported: bool = False
